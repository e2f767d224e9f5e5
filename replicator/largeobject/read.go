package largeobject

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/wal"
)

// Mark is a side of a range at one snapshot.
type Mark struct {
	Started string `json:"started"` // when the server was
	Xmin    uint64 `json:"xmin"`    // lowest transaction that the snapshot did not see ended
	Pages   int64  `json:"pages"`
}

// Ask is a question for the objects of a range.
type Ask struct {
	Range
	Since *Mark // nil: never found equal
	List  bool  // without digests
}

// Answer lists the objects of a range, by their OID.
type Answer struct {
	Mark
	Same    bool // as at Ask.Since: then no object has a digest
	Page    int  // bytes of a page
	Objects []Object
}

// Weight is what a range with this answer costs, see [Limit].
func (a *Answer) Weight() int64 { return a.Pages + int64(len(a.Objects))*objectWeight }

// Bytes is the size of all objects.
func (a *Answer) Bytes() (n int64) {
	for i := range a.Objects {
		n += a.Objects[i].Size
	}
	return n
}

// furthest is from where on ages of transactions are no longer compared.
const furthest = 1 << 31

// Read answers under a snapshot of its own. It holds no lock that anybody waits for but a rewrite of
// pg_largeobject; whether that is waited for is the session's lock_timeout.
func Read(ctx context.Context, conn *pg.Conn, ask Ask) (Answer, error) {
	var a Answer
	err := reading(ctx, conn, func() error {
		age, err := a.look(ctx, conn, ask.Since)
		if err != nil {
			return err
		}
		newer, err := a.list(ctx, conn, ask.Range, age)
		if err != nil {
			return err
		}
		a.Same = age >= 0 && newer == 0 && a.Pages == ask.Since.Pages
		if a.Same || ask.List || a.Pages == 0 {
			return nil
		}
		return a.digest(ctx, conn, ask.Range)
	})
	if err != nil {
		return a, fmt.Errorf("list large objects: %w", unread(err))
	}
	if !a.Same {
		a.digestless(ask.List)
		err = flushed(ctx, conn)
	}
	return a, err
}

// unread says what is to be done about pages that may not be read.
func unread(err error) error {
	if pg.State(err) == "42501" { // insufficient_privilege
		return fault.New(fault.Preflight, err, "grant pg_read_all_data to our role: replicator check tells on which side")
	}
	return err
}

// reading runs f in a transaction that reads.
func reading(ctx context.Context, conn *pg.Conn, f func() error) error {
	if err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		err = conn.Exec(ctx, "COMMIT")
	}
	if err != nil && !conn.Raw().IsClosed() {
		_ = conn.Exec(context.WithoutCancel(ctx), "ROLLBACK")
	}
	return err
}

// flushed waits until what was seen committed cannot be taken back by a crash.
func flushed(ctx context.Context, conn *pg.Conn) error {
	v, err := conn.Value(ctx, "SELECT pg_current_wal_insert_lsn()")
	if err != nil {
		return err
	}
	lsn, err := wal.ParseLSN(v)
	if err != nil {
		return err
	}
	return chunker.AwaitFlush(ctx, conn, lsn)
}

// look takes the snapshot. age is that of the mark's transaction, -1 where the mark does not count.
func (a *Answer) look(ctx context.Context, conn *pg.Conn, since *Mark) (age int64, err error) {
	xid := uint64(3)
	if since != nil {
		xid = since.Xmin
	}
	row, err := conn.Row(ctx, `SELECT pg_postmaster_start_time(), pg_snapshot_xmin(s), pg_snapshot_xmax(s), current_setting('block_size')::int / 4,
			age($1::xid8::xid)
		FROM pg_current_snapshot() AS s`, strconv.FormatUint(xid, 10))
	if err != nil {
		return -1, err
	}
	var n [4]int64
	for i := range n {
		if n[i], err = strconv.ParseInt(row[i+1], 10, 64); err != nil {
			return -1, fmt.Errorf("parse snapshot: %w", err)
		}
	}
	a.Started, a.Xmin, a.Page = row[0], uint64(n[0]), int(n[2])
	if since == nil || since.Started != a.Started || since.Xmin > uint64(n[1]) || uint64(n[1])-since.Xmin >= furthest {
		return -1, nil
	}
	return n[3], nil
}

// metadata is an object's owner, rights and comment; an ACL that is not there is "".
const metadata = `m.oid, pg_get_userbyid(m.lomowner),
	CASE WHEN m.lomacl IS NULL THEN '' ELSE (SELECT coalesce(json_agg(json_build_object('to', CASE g.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(g.grantee) END,
		'right', g.privilege_type, 'option', g.is_grantable)), '[]') FROM aclexplode(m.lomacl) AS g)::text END,
	obj_description(m.oid, 'pg_largeobject')`

// list reads everything but the digests. newer counts pages that were written by transactions of at
// most that age: what looks as if it came from the future is older than all.
func (a *Answer) list(ctx context.Context, conn *pg.Conn, r Range, age int64) (newer int64, err error) {
	rows, err := conn.Query(ctx, `SELECT `+metadata+`, coalesce(p.size, 0), coalesce(p.pages, 0), coalesce(p.newer, 0)
		FROM pg_largeobject_metadata m LEFT JOIN (
			SELECT loid, max(pageno::bigint * $3::int + length(data)) AS size, count(*) AS pages,
				count(*) FILTER (WHERE age(xmin) BETWEEN 0 AND $4::bigint) AS newer
			FROM pg_largeobject WHERE loid BETWEEN $1::oid AND $2::oid GROUP BY loid) AS p ON p.loid = m.oid
		WHERE m.oid BETWEEN $1::oid AND $2::oid ORDER BY m.oid`, r.from(), r.to(), strconv.Itoa(a.Page), strconv.FormatInt(age, 10))
	if err != nil {
		return 0, err
	}
	a.Objects = make([]Object, len(rows))
	for i, row := range rows {
		if err := a.Objects[i].parse(row); err != nil {
			return 0, err
		}
		var n [3]int64
		for k := range n {
			if n[k], err = strconv.ParseInt(row[4+k], 10, 64); err != nil {
				return 0, fmt.Errorf("parse size: %w", err)
			}
		}
		a.Objects[i].Size = n[0]
		a.Pages += n[1]
		newer += n[2]
	}
	return newer, nil
}

// parse reads the columns of metadata.
func (o *Object) parse(row []string) error {
	oid, err := strconv.ParseUint(row[0], 10, 32)
	if err != nil {
		return fmt.Errorf("parse OID: %w", err)
	}
	o.OID, o.Owner, o.Comment = uint32(oid), row[1], row[3]
	if row[2] == "" {
		return nil
	}
	o.Grants = []Grant{}
	if err := json.Unmarshal([]byte(row[2]), &o.Grants); err != nil {
		return fmt.Errorf("parse rights: %w", err)
	}
	o.Grants = normal(o.Owner, o.Grants)
	return nil
}

// A digest is made of digests: of 16384 pages at a time, so that no value that the server makes of an
// object of 4 TB is larger than a MiB. Of a page only its digest goes through the sort.
const digests = `SELECT loid, encode(sha256(string_agg(int4send(part) || digest, ''::bytea ORDER BY part)), 'hex') FROM (
		SELECT loid, pageno >> 14 AS part, sha256(string_agg(int4send(pageno) || digest, ''::bytea ORDER BY pageno)) AS digest FROM (
			SELECT loid, pageno, sha256(rtrim(data, '\x00'::bytea)) AS digest FROM pg_largeobject
			WHERE loid BETWEEN $1::oid AND $2::oid AND rtrim(data, '\x00'::bytea) <> ''::bytea OFFSET 0) AS page
		GROUP BY 1, 2) AS part
	GROUP BY 1`

// digest reads the content of all objects.
func (a *Answer) digest(ctx context.Context, conn *pg.Conn, r Range) error {
	rows, err := conn.Query(ctx, digests, r.from(), r.to())
	if err != nil {
		return err
	}
	byOID := make(map[string]string, len(rows))
	for _, row := range rows {
		byOID[row[0]] = row[1]
	}
	for i := range a.Objects {
		a.Objects[i].Digest = byOID[strconv.FormatUint(uint64(a.Objects[i].OID), 10)]
	}
	return nil
}

// digestless gives objects that hold nothing but zeros a digest, too: "" says that nobody has read it.
func (a *Answer) digestless(listed bool) {
	for i := range a.Objects {
		if o := &a.Objects[i]; o.Digest == "" && !listed {
			o.Digest = nothing
		}
	}
}

const nothing = "zeros"
