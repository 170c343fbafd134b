"""What the province keeps on record, one family a module: its struct, and the table that it is stored in.

Money is whole fen. Moments are seconds since 1970 (UTC); days are China's. Local records belong to their city and have
it in their key; public ones (directory, tariffs, knowledge) belong to the province.
"""
