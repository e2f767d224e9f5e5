package replicator

import (
	"cmp"

	"replicator/replicator/catchup"
	"replicator/replicator/control"
	"replicator/replicator/sign"
)

// newReport begins the report of a catch-up.
func (j *job) newReport(req control.Request) *catchup.Report {
	r := catchup.NewReport(j.rec.Job, req.Rehearse)
	r.Foretold = catchup.NewForetold(j.tracker.Status().Forecast)
	r.Operator = req.Operator
	r.Configuration = catchup.Configuration{
		Fence: req.Fence, Verify: req.Verify, Timeout: req.Timeout.Seconds(), Jobs: j.o.Jobs, IndexJobs: j.o.IndexJobs,
		NoKey: j.rec.NoKey, Confirm: j.o.Confirm, Slot: j.rec.Slot, Publication: j.rec.Publication, Selection: j.rec.Select.Args(),
		MaxLag: cmp.Or(req.MaxLag, catchup.DefaultMaxLag), VerifiedWithin: req.VerifiedWithin.Seconds(),
		MaxTransactionAge: cmp.Or(req.MaxTransactionAge, catchup.DefaultTransactionAge).Seconds(), MaxLate: req.MaxLate, MaxRetained: cmp.Or(req.MaxRetained, j.o.RetainBudget), MinFree: req.MinFree, ChunkBytes: j.rec.ChunkBytes,
		LogBudget: j.o.LogBudget, RetainBudget: j.o.RetainBudget, TargetHost: j.o.Link.Host, Sealed: j.key != nil,
	}
	return r
}

// reportKey is the key that signs the job's reports: made for the first of them, and kept in the
// store, where a key file seals it. It never leaves this process; clients get what it signed.
func (j *job) reportKey() (key sign.Key, err error) {
	found, err := j.store.Get(keySigner, &key)
	if err != nil || found {
		return key, err
	}
	if key, err = sign.Generate(); err != nil {
		return key, err
	}
	return key, j.store.Put(keySigner, key)
}
