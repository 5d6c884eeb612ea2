"""HDR pictures for the eye: local tone-mapping without hands, and how good it is."""
