"""The product in containers, on a real engine: `make test-containers`."""
