package link

import (
	"errors"
	"fmt"

	"replicator/replicator/apply"
	"replicator/replicator/fault"
	"replicator/replicator/target"
)

// What a connection is for.
const (
	forControl = "control"
	forData    = "data"
	forFollow  = "follow"
	forMeasure = "measure"
)

// hello is the first message on a connection. What the target end must know of the job is in it, so
// that a server that was restarted can go on.
type hello struct {
	Purpose    string       `json:"purpose"`
	Job        string       `json:"job"`
	Instance   string       `json:"instance"`    // of the engine, random
	Epoch      int64        `json:"epoch"`       // 0: not opened yet
	Database   string       `json:"database"`    // of the target; "" leaves it to the server
	Source     string       `json:"source"`      // name of the source database
	SearchPath string       `json:"search_path"` // see target.Config
	Limits     apply.Limits `json:"limits"`
	StepJobs   int          `json:"step_jobs"`
	Scratch    bool         `json:"scratch,omitempty"` // see target.Config: a measurement, beside the job of that name if there is one
}

// welcome answers it. A refusal is the last message on a connection.
type welcome struct {
	Known   bool     `json:"known"` // the instance's calls are still there
	Refused *failure `json:"refused,omitempty"`
}

// session is by what the server knows the session of a job. A measurement has one of its own: it must
// never meet the job whose certificate it uses.
func (h *hello) session() string {
	if h.Scratch {
		return "measurement of " + h.Job
	}
	return h.Job
}

// targetJob is the job's name in the target database.
func (h *hello) targetJob() string {
	if h.Scratch {
		return target.ScratchJob
	}
	return h.Job
}

// validate refuses what no engine sends.
func (h *hello) validate() error {
	if h.Job == "" || len(h.Job) > longestName || len(h.Instance) != 2*instanceBytes {
		return errors.New("the hello names no job or no engine")
	}
	switch h.Purpose {
	case forControl, forData, forFollow, forMeasure:
		return nil
	}
	return errors.New("the hello is for nothing that this version knows")
}

const (
	longestName   = 63
	instanceBytes = 16
)

// otherVersion is the refusal of a side that is older or newer.
func otherVersion(side string, theirs uint16) error {
	return fault.New(fault.Link, fmt.Errorf("%s speaks version %d of the link's protocol, this side speaks version %d", side, theirs, Version),
		"run the same version of replicator at both sites")
}
