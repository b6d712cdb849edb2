"""The rules of the house as tests: each says why it exists, and each is shown to fail on a planted sample."""
