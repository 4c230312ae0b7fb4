"""Download public data into dataset folders: hashed, resumable, polite to the archives."""
