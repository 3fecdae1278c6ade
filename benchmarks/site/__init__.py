"""What needs the whole product: a site with a database, made for the benchmark."""
