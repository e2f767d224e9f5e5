package workload

import (
	"context"
	"fmt"
	"sync/atomic"

	"replicator/replicator/pg"
)

// known is what the wards know of the database: the highest numbers, from which rows are picked at
// random, and the short lists. Rows that are gone are simply not hit.
type known struct {
	patients, encounters, observations, orders, notes, medication highest
	appointments, bills, staff, beds, devices                     highest

	departments, drugs, clinics, bays []string
}

// highest is the highest number of a table so far.
type highest struct{ n atomic.Int64 }

func (h *highest) raise(n int64) {
	for {
		old := h.n.Load()
		if n <= old || h.n.CompareAndSwap(old, n) {
			return
		}
	}
}

func (k *known) read(ctx context.Context, dsn string) error {
	conn, err := pg.Connect(ctx, pg.Config{DSN: dsn, Name: "clinical workload"})
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, h := range []struct {
		to   *highest
		from string
	}{
		{&k.patients, "max(id) FROM record.patient"},
		{&k.encounters, "max(id) FROM record.encounter"},
		{&k.observations, "max(id) FROM record.observation"},
		{&k.orders, `max(id) FROM record."order"`},
		{&k.notes, "max(id) FROM record.note"},
		{&k.medication, "max(id) FROM record.medication"},
		{&k.appointments, "max(id) FROM outpatient.appointment"},
		{&k.bills, `max("ItemNo") FROM outpatient."BillingItem"`},
		{&k.staff, "max(id) FROM record.staff"},
		{&k.beds, "count(*) FROM record.bed"},
		{&k.devices, "max(id) FROM outpatient.device"},
	} {
		v, err := conn.Value(ctx, "SELECT "+h.from)
		if err != nil {
			return err
		}
		var n int64
		if _, err := fmt.Sscan(v, &n); err != nil {
			return fmt.Errorf("a table is empty: %s", h.from)
		}
		h.to.raise(n)
	}
	return k.readLists(ctx, conn)
}

func (k *known) readLists(ctx context.Context, conn *pg.Conn) error {
	for _, l := range []struct {
		to   *[]string
		from string
	}{
		{&k.departments, "code FROM record.department"},
		{&k.drugs, "code FROM record.drug"},
		{&k.clinics, "code FROM outpatient.clinic"},
		{&k.bays, "id FROM emergency.bay"},
	} {
		rows, err := conn.Query(ctx, "SELECT "+l.from+" ORDER BY 1")
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return fmt.Errorf("a table is empty: %s", l.from)
		}
		for _, r := range rows {
			*l.to = append(*l.to, r[0])
		}
	}
	return nil
}
