"""The parts of the benchmark that need the whole product: a site with a database."""
