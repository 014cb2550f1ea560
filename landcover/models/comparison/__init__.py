"""One network in several runtimes: do they agree, and how fast are they?"""
