"""What needs no database: encoding, and lookups in an index."""
