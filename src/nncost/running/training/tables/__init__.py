"""Tables of examples: CSV, Parquet and NPZ files as columns, with the place of everything that is no number."""

from nncost.running.training.tables.reading import read_table as read_table
from nncost.running.training.tables.table import Column as Column
from nncost.running.training.tables.table import Table as Table
