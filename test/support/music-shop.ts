/**
 * A database as applications make them: eleven tables with composite keys, foreign keys, NUMERIC, REAL and DATETIME
 * columns and names with spaces; a view, a full-text index kept by triggers, and a trigger that stamps rows.
 */
import Sqlite from 'better-sqlite3';
import type { Random } from './seeded-random.js';

const SCHEMA = `
  CREATE TABLE Artist (ArtistId INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, Name NVARCHAR(120));
  CREATE TABLE Album (
    AlbumId INTEGER PRIMARY KEY, Title NVARCHAR(160) NOT NULL,
    ArtistId INTEGER NOT NULL REFERENCES Artist(ArtistId) ON DELETE CASCADE ON UPDATE CASCADE);
  CREATE TABLE Genre (Code CHAR(4) PRIMARY KEY COLLATE NOCASE, Name TEXT) WITHOUT ROWID;
  CREATE TABLE "Media Type" ("Media Type Id" INTEGER PRIMARY KEY, [Display Name] TEXT);
  CREATE TABLE Track (
    TrackId INTEGER PRIMARY KEY, Name TEXT NOT NULL, AlbumId INTEGER REFERENCES Album ON DELETE SET NULL,
    GenreCode CHAR(4) REFERENCES Genre, "Media Type Id" INTEGER REFERENCES "Media Type",
    Milliseconds INTEGER, UnitPrice NUMERIC(10,2) NOT NULL DEFAULT 0.99, Rating REAL, UpdatedAt DATETIME);
  CREATE TABLE Playlist (PlaylistId TEXT PRIMARY KEY, Name NVARCHAR(120), Cover BLOB);
  CREATE TABLE PlaylistTrack (
    PlaylistId TEXT NOT NULL REFERENCES Playlist ON DELETE CASCADE, TrackId INTEGER NOT NULL, Position,
    CONSTRAINT PK_PlaylistTrack PRIMARY KEY (PlaylistId, TrackId));
  CREATE TABLE Employee (
    EmployeeId INTEGER PRIMARY KEY, LastName TEXT NOT NULL, ReportsTo INTEGER REFERENCES Employee, BirthDate DATETIME);
  CREATE TABLE Customer (
    CustomerId TEXT NOT NULL, Region TEXT NOT NULL, Email TEXT COLLATE NOCASE, Balance NUMERIC,
    SupportRepId INTEGER REFERENCES Employee, PRIMARY KEY (Region, CustomerId));
  CREATE TABLE Invoice (
    InvoiceId INTEGER PRIMARY KEY, Region TEXT, CustomerId TEXT, InvoiceDate DATETIME, Total NUMERIC(10,2),
    FOREIGN KEY (Region, CustomerId) REFERENCES Customer(Region, CustomerId));
  CREATE TABLE "Invoice Details" (
    InvoiceId INTEGER NOT NULL REFERENCES Invoice ON DELETE CASCADE, "Line No" INTEGER NOT NULL,
    TrackId INTEGER, Quantity REAL, Discount REAL DEFAULT 0, PRIMARY KEY (InvoiceId, "Line No"));
  CREATE INDEX IFK_TrackAlbum ON Track (AlbumId);
  CREATE INDEX DearTracks ON Track (UnitPrice) WHERE UnitPrice > 1;
  CREATE VIEW "Invoice Totals" AS
    SELECT InvoiceId, sum(Quantity * (1 - Discount)) AS Units FROM "Invoice Details" GROUP BY InvoiceId;
  CREATE VIRTUAL TABLE TrackText USING fts5(Name, content='Track', content_rowid='TrackId');
  CREATE TRIGGER TrackTextInsert AFTER INSERT ON Track BEGIN
    INSERT INTO TrackText(rowid, Name) VALUES (new.TrackId, new.Name);
  END;
  CREATE TRIGGER TrackTextDelete AFTER DELETE ON Track BEGIN
    INSERT INTO TrackText(TrackText, rowid, Name) VALUES ('delete', old.TrackId, old.Name);
  END;
  CREATE TRIGGER TrackTextUpdate AFTER UPDATE OF Name ON Track BEGIN
    INSERT INTO TrackText(TrackText, rowid, Name) VALUES ('delete', old.TrackId, old.Name);
    INSERT INTO TrackText(rowid, Name) VALUES (new.TrackId, new.Name);
  END;
  CREATE TRIGGER StampTrack AFTER UPDATE OF Name, UnitPrice, Rating ON Track BEGIN
    UPDATE Track SET UpdatedAt = strftime('%Y-%m-%d %H:%M:%f', 'now') WHERE TrackId = new.TrackId;
  END;
`;

/** Throws when the full-text index does not say what its table says. */
export const CHECK_FULL_TEXT = `INSERT INTO TrackText(TrackText, rank) VALUES ('integrity-check', 1)`;

export const SHARED_ROWS = 50;
/** Keys of one node's own inserts begin here times its number. */
const OWN_KEYS = 1_000_000;

export function makeMusicShop(path: string, journalMode: 'wal' | 'delete'): void {
  const db = new Sqlite(path);
  db.pragma(`journal_mode = ${journalMode}`);
  db.exec(SCHEMA);
  db.exec(`
    INSERT INTO Genre VALUES ('ROCK', 'Rock'), ('jazz', 'Jazz'), ('Été', 'Summer');
    INSERT INTO "Media Type" VALUES (1, 'MPEG'), (2, NULL);
    INSERT INTO Employee VALUES (1, 'Adams', NULL, '1962-02-18 00:00:00'), (2, 'Edwards', 1, 21234.5);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${SHARED_ROWS})
    INSERT INTO Artist SELECT i, 'Artist ' || i FROM n;
    INSERT INTO Album SELECT ArtistId, 'Album ' || ArtistId, ArtistId FROM Artist;
    INSERT INTO Track(TrackId, Name, AlbumId, GenreCode, "Media Type Id", Milliseconds, UnitPrice, Rating)
      SELECT AlbumId, 'Song ' || AlbumId, AlbumId, 'rock', 1, AlbumId * 1000, '0.99', AlbumId / 7.0 FROM Album;
    INSERT INTO Customer SELECT 'C' || ArtistId, 'North', 'c' || ArtistId || '@x', ArtistId, 1 FROM Artist;
    INSERT INTO Invoice SELECT ArtistId, 'North', 'C' || ArtistId, '2009-01-01', '1.10' FROM Artist;
    INSERT INTO "Invoice Details" SELECT InvoiceId, 1, InvoiceId, 1, 0.05 FROM Invoice;
    INSERT INTO Playlist VALUES ('shared', 'for all', NULL);
  `);
  db.close();
}

/** Transactions of one application: rows of its own, and the rows that all share. */
export class MusicShopClerk {
  private made = 0;

  /** @param number tells this application from all others, from 1 */
  constructor(
    private readonly number: number,
    private readonly random: Random,
  ) {}

  /** The statements of the next transaction. */
  next(): string[] {
    const kinds = [() => this.sell(), () => this.record(), () => this.curate(), () => this.revise(), () => this.tidy()];
    return this.random.pick(kinds)();
  }

  private newKey(): number {
    this.made += 1;
    return this.number * OWN_KEYS + this.made;
  }

  private shared(): number {
    return 1 + this.random.int(SHARED_ROWS);
  }

  private sell(): string[] {
    const key = this.newKey();
    const customer = `C${this.shared()}`;
    return [
      `INSERT INTO Invoice VALUES (${key}, 'North', '${customer}', datetime('now'), '${this.random.int(100)}.50')`,
      `INSERT INTO "Invoice Details" VALUES (${key}, 1, ${this.shared()}, 1.5, 0.1), (${key}, 2, NULL, 9e999, -0.0)`,
      `UPDATE Customer SET Balance = ${this.random.next()} WHERE Region = 'North' AND CustomerId = '${customer}'`,
    ];
  }

  private record(): string[] {
    const key = this.newKey();
    return [
      `INSERT INTO Artist VALUES (${key}, 'Björk ''${key}''')`,
      `INSERT INTO Album VALUES (${key}, 'Homogenic', ${key})`,
      `INSERT INTO Track(TrackId, Name, AlbumId, Milliseconds, Rating) VALUES (${key}, 'Jóga ${key}', ${key}, 9007199254740993, 0.1 + 0.2)`,
    ];
  }

  private curate(): string[] {
    const list = `list ${this.newKey()}`;
    return [
      `INSERT INTO Playlist VALUES ('${list}', CAST(x'ff00fe' AS TEXT), x'00ff')`,
      `INSERT INTO PlaylistTrack VALUES ('${list}', 1, '1'), ('${list}', 2, 2), ('${list}', 3, 3.0), ('${list}', 4, x'')`,
      `INSERT OR REPLACE INTO PlaylistTrack VALUES ('shared', ${this.shared()}, ${this.random.int(9)})`,
    ];
  }

  private revise(): string[] {
    const song = this.shared();
    return [
      `UPDATE Track SET Name = 'Song ${song} by ${this.number}', UnitPrice = ${this.random.int(300)} / 100.0 WHERE TrackId = ${song}`,
      `UPDATE Artist SET Name = 'Artist of ${this.number}' WHERE ArtistId = ${this.shared()}`,
      `INSERT INTO Customer VALUES ('C${this.shared()}', 'South', NULL, ${this.number}, 2)
         ON CONFLICT DO UPDATE SET Balance = Balance + 1`,
    ];
  }

  private tidy(): string[] {
    const mine = this.number * OWN_KEYS + 1 + this.random.int(this.made + 1);
    return [
      `DELETE FROM Artist WHERE ArtistId = ${mine}`,
      `DELETE FROM Playlist WHERE PlaylistId = 'list ${mine}'`,
      `DELETE FROM Invoice WHERE InvoiceId = ${mine}`,
      `UPDATE OR REPLACE PlaylistTrack SET TrackId = TrackId + 1000 WHERE PlaylistId = 'shared' AND TrackId = ${this.shared()}`,
    ];
  }
}
