-- a node's journal as version 3 of its format made it
CREATE TABLE node (node TEXT NOT NULL);
CREATE TABLE lineages (
    ordinal INTEGER PRIMARY KEY, lineage TEXT NOT NULL UNIQUE, head INTEGER NOT NULL);
CREATE TABLE rows (
    id INTEGER PRIMARY KEY, wall REAL NOT NULL, contact TEXT, outgoing TEXT NOT NULL, data BLOB NOT NULL,
    crc INTEGER, item TEXT);
CREATE INDEX rows_by_contact ON rows (contact) WHERE contact IS NOT NULL;
CREATE INDEX rows_by_wall ON rows (wall);
CREATE TABLE outbox (
    receiver TEXT NOT NULL, lineage INTEGER NOT NULL, number INTEGER NOT NULL, sequence INTEGER NOT NULL,
    PRIMARY KEY (receiver, lineage, number)) WITHOUT ROWID;
CREATE TABLE streams (
    receiver TEXT NOT NULL, lineage INTEGER NOT NULL, head INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (receiver, lineage)) WITHOUT ROWID;
CREATE TABLE live (contact TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (contact, reason)) WITHOUT ROWID;
CREATE TABLE relayed (id INTEGER PRIMARY KEY, wall REAL NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX rows_by_item ON rows (item) WHERE item IS NOT NULL;
CREATE INDEX work_by_wall ON rows (wall) WHERE item IS NOT NULL;
CREATE TABLE open_items (item TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;
PRAGMA user_version=3;
