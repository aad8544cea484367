//! What can be done to a store, how often it is, and what a run must have met of it.

/// What must have come of a kind of step in a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Must {
    /// It was done.
    Do,
    /// It was done, and it was refused.
    DoAndRefuse,
    /// It was done, and answered with the answer that was kept for its key.
    DoAndRepeat,
    /// It was done, refused, and answered with the answer that was kept for its key.
    DoRefuseAndRepeat,
}

macro_rules! kinds {
    ($($kind:ident: $weight:literal $must:ident),+ $(,)?) => {
        /// A kind of step: an operation of the store, or what happens around it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum Kind { $($kind),+ }

        impl Kind {
            /// Every kind, with how often it is drawn and what must come of it.
            pub(crate) const ALL: &'static [(Self, usize, Must)] =
                &[$((Self::$kind, $weight, Must::$must)),+];
        }
    };
}

kinds! {
    // Time passes; what dials.
    Advance: 50 Do,
    SetClockBack: 1 Do,
    Tick: 60 Do,
    Send: 14 DoAndRefuse,
    Facts: 90 DoAndRefuse,
    ClaimChecks: 8 Do,
    Recover: 2 Do,
    Restart: 2 Do,
    ReserveTestCall: 8 DoRefuseAndRepeat,
    // Tenants and tokens.
    EnsureTenant: 1 Do,
    SetTestCallNumbers: 2 Do,
    CreateToken: 4 DoRefuseAndRepeat,
    SetTokenEnabled: 3 DoAndRefuse,
    DeleteToken: 2 DoAndRefuse,
    KeepAnswer: 5 DoAndRefuse,
    FindAnswer: 5 DoAndRefuse,
    // Lines and pools.
    CreateLine: 5 DoAndRepeat,
    UpdateLine: 6 DoAndRefuse,
    DeleteLine: 6 DoAndRefuse,
    CreatePool: 3 DoRefuseAndRepeat,
    UpdatePool: 6 DoAndRefuse,
    DeletePool: 3 DoAndRefuse,
    // Campaigns.
    CreateCampaign: 6 DoRefuseAndRepeat,
    UpdateCampaign: 16 DoAndRefuse,
    Start: 10 DoRefuseAndRepeat,
    OrderCampaign: 12 DoRefuseAndRepeat,
    DeleteCampaign: 4 DoAndRefuse,
    // Leads.
    AddLead: 24 DoRefuseAndRepeat,
    QueueLeads: 8 DoRefuseAndRepeat,
    RunImports: 16 Do,
    RunErasures: 8 Do,
    UpdateLead: 24 DoAndRefuse,
    RemoveLead: 6 DoAndRefuse,
    UpdateLeads: 8 DoAndRefuse,
    RemoveLeads: 4 DoAndRefuse,
    // Hold.
    Hold: 2 Do,
    LiftHold: 5 Do,
    ReleaseHold: 10 Do,
    NoteHeldLine: 5 Do,
    AdoptCalls: 4 Do,
    // Reading, with filters and pages, of one's own and of others.
    ReadOne: 12 DoAndRefuse,
    ListLeads: 10 DoAndRefuse,
    ListCalls: 8 Do,
    ListCampaigns: 6 Do,
    ListOthers: 6 Do,
    ListEvents: 4 Do,
    Payloads: 3 Do,
    UnknownKeys: 2 Do,
    // The server itself.
    Sweep: 2 Do,
    Ping: 1 Do,
}
