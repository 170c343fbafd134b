-- a node's ledger as version 2 of its format made it
CREATE TABLE rows (
    id INTEGER PRIMARY KEY, sender TEXT NOT NULL, stream TEXT NOT NULL, number INTEGER NOT NULL,
    node TEXT NOT NULL, lineage TEXT NOT NULL, sequence INTEGER NOT NULL, wall REAL NOT NULL,
    kind TEXT NOT NULL, contact TEXT, data BLOB NOT NULL);
CREATE INDEX rows_by_contact ON rows (contact) WHERE contact IS NOT NULL;
CREATE INDEX rows_by_wall ON rows (wall);
CREATE INDEX births ON rows (wall) WHERE kind = 'contact_born';
CREATE TABLE parked (
    sender TEXT NOT NULL, stream TEXT NOT NULL, number INTEGER NOT NULL, why TEXT NOT NULL,
    data BLOB NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (sender, stream, number));
CREATE TABLE holes (
    sender TEXT NOT NULL, stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL);
CREATE TABLE cursors (
    sender TEXT NOT NULL, stream TEXT NOT NULL, head INTEGER NOT NULL,
    PRIMARY KEY (sender, stream)) WITHOUT ROWID;
CREATE UNIQUE INDEX rows_by_origin ON rows (node, lineage, sequence);
CREATE INDEX standing ON rows (kind) WHERE kind IN ('lineage_opened', 'tail_missing', 'tail_returned', 'row_settled', 'site_declared_lost', 'site_rejoined');
CREATE TABLE settled (
    sender TEXT NOT NULL, stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    digest TEXT NOT NULL, settled_by TEXT NOT NULL, reason TEXT NOT NULL, wall REAL NOT NULL,
    PRIMARY KEY (sender, stream, digest, first, last)) WITHOUT ROWID;
PRAGMA user_version=2;
