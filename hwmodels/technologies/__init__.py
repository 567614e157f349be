"""Technology tables: figures of components with node, voltage, source and error."""
