"""Files of strangers: a corpus that code makes, and what becomes of each of them.

Each case is a folder like that of a good run with something hostile in it, and a command. The command must end done,
with tiles in quarantine, or in one sentence that names the file; see ``judging``. ``make hostile`` tries all,
``make test`` a few of each kind. No payload does more than to create the canary file or to ask the canary server.
"""
