"""Sizes: integers, or formulas of symbols where a size is open."""

from nncost.dims.dims import Dim as Dim
from nncost.dims.dims import Shape as Shape
from nncost.dims.dims import add_all as add_all
from nncost.dims.dims import ceil_divide as ceil_divide
from nncost.dims.dims import ceil_log2 as ceil_log2
from nncost.dims.dims import exact_divide as exact_divide
from nncost.dims.dims import floor_divide as floor_divide
from nncost.dims.dims import indexed as indexed
from nncost.dims.dims import is_largest as is_largest
from nncost.dims.dims import is_symbolic as is_symbolic
from nncost.dims.dims import largest as largest
from nncost.dims.dims import parts_of as parts_of
from nncost.dims.dims import product as product
from nncost.dims.dims import same as same
from nncost.dims.dims import same_shape as same_shape
from nncost.dims.dims import shape_text as shape_text
from nncost.dims.dims import substitute as substitute
from nncost.dims.dims import sum_over as sum_over
from nncost.dims.dims import symbol as symbol
from nncost.dims.dims import text as text
from nncost.dims.dims import tidy as tidy
