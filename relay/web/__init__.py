"""Web: the vendor's inbox page; it only reads what the road wrote."""
