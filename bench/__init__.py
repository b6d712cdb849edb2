"""What onsale is measured against: other ways to take seats, behind the same HTTP server, sessions and tables."""
