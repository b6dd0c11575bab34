"""Where a guest's cells can be, by Nova's own measure."""
