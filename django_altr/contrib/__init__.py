"""Small apps that stand on the public parts of django-altr."""
