"""Other ways to apply a Keras network to a folder of PNG tiles, each as its own documentation says.

Every module is a program: ``python -m benchmarks.contenders.NAME FOLDER NETWORK COUNT OUTPUT``. It
labels the first COUNT tiles of FOLDER with all cores of this machine and writes OUTPUT, a Parquet
file or folder with the columns ``path`` (the file's name) and ``label`` (the index of the class).
"""
