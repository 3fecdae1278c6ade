"""Long runs of hostile input, by hand or in a nightly job; short seeded ones are in the suite."""
