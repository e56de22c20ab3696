"""Front ends translate one source each into a graph; they are reached only through ``registry``."""
