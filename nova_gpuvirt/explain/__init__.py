"""Why a flavor fits on a host and card, or not: nova-gpuvirt explain."""
