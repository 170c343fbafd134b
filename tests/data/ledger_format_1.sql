-- a node's ledger as version 1 of its format made it
CREATE TABLE rows (
    id INTEGER PRIMARY KEY, sender TEXT NOT NULL, stream TEXT NOT NULL, number INTEGER NOT NULL,
    node TEXT NOT NULL, lineage TEXT NOT NULL, sequence INTEGER NOT NULL, wall REAL NOT NULL,
    kind TEXT NOT NULL, contact TEXT, data BLOB NOT NULL);
CREATE UNIQUE INDEX rows_by_origin ON rows (lineage, sequence);
CREATE INDEX rows_by_contact ON rows (contact) WHERE contact IS NOT NULL;
CREATE INDEX rows_by_wall ON rows (wall);
CREATE INDEX births ON rows (wall) WHERE kind = 'contact_born';
CREATE TABLE parked (
    sender TEXT NOT NULL, stream TEXT NOT NULL, number INTEGER NOT NULL, why TEXT NOT NULL,
    data BLOB NOT NULL, PRIMARY KEY (sender, stream, number));
CREATE TABLE holes (
    sender TEXT NOT NULL, stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL);
CREATE TABLE cursors (
    sender TEXT NOT NULL, stream TEXT NOT NULL, head INTEGER NOT NULL,
    PRIMARY KEY (sender, stream)) WITHOUT ROWID;
PRAGMA user_version=1;
