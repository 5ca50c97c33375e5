"""Finding faces in photos: how near the eyes are to known ones."""
