"""What confined edits keep of the free ones, and how visible their rim is."""
