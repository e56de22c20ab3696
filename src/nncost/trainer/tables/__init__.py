"""Tables of examples: CSV, Parquet and NPZ files as columns, with the place of everything that is no number."""

from nncost.trainer.tables.reading import read_table as read_table
from nncost.trainer.tables.table import Column as Column
from nncost.trainer.tables.table import Table as Table
