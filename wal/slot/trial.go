package slot

import (
	"context"
	"fmt"

	"replicator/replicator/pg"
)

// trialChanges bounds what a trial decodes, and what the server keeps of it for a moment.
const trialChanges = 10_000

// Trial decodes the first changes of a slot, up to what is in the WAL now, without taking them: no more than
// some ten thousand. Called when everything has ended that ran when the slot was made, it finds out
// whether the server can decode the moment between the slot's consistent point and the renewal of its
// snapshot by [Create]. Where somebody wrote just then to a table that another truncated or rewrote
// while the slot was made, it cannot, ever (SQLSTATE XX000, "could not map filenode to relation
// OID"); a slot that is made a little later can.
func Trial(ctx context.Context, conn *pg.Conn, name, publication string) error {
	_, err := conn.Query(ctx, `SELECT count(*) FROM pg_catalog.pg_logical_slot_peek_binary_changes($1, pg_catalog.pg_current_wal_flush_lsn(), $2::int,
		'proto_version', '2', 'publication_names', $3, 'messages', 'true')`, name, fmt.Sprint(trialChanges), pg.Ident(publication))
	if err != nil {
		return fmt.Errorf("try to decode from slot %s: %w", name, err)
	}
	return nil
}
