//! What a tenant has from the beginning, so that there is something to do.

use domain::campaign::CampaignCommand;
use store::conformance::fixture;
use store::{Caller, NewLine, NewToken, OnDuplicate, Scopes};

use super::Side;
use crate::differential::side::{Owned, phone};

pub(super) async fn place(side: &mut Side, tenant: usize, caller: Caller) {
    side.known.tenants.push(caller.tenant_id);
    let store = side.store();
    let line = NewLine {
        line_key: format!("line-of-tenant-{tenant}"),
        ..fixture::new_line()
    };
    let line = fixture::fresh(store.create_line(caller, line, None).await.unwrap());
    let pool = fixture::pool(store, caller, line.line_id, &["pn_1", "pn_2"]).await;
    let token = NewToken {
        name: "first".to_owned(),
        scopes: Scopes::default(),
        hash: [u8::try_from(tenant + 100).unwrap(); 32],
        masked: "cmp_…0".to_owned(),
        expires_at: None,
    };
    let token = fixture::fresh(store.create_token(caller, token, None).await.unwrap());
    let draft = fixture::draft(line.line_id);
    let campaign = fixture::campaign(store, caller, draft).await.campaign_id;
    let mut leads = Vec::new();
    for n in 0..4 {
        let lead = store::NewLead::new(phone(n), store::LeadFields::default());
        let added = store
            .add_lead(caller, campaign, lead, OnDuplicate::Update, None)
            .await;
        leads.push(fixture::fresh(added.unwrap()).lead.lead_id);
    }
    fixture::order(store, caller, campaign, CampaignCommand::Start).await;
    let known = &mut side.known;
    known.lines.push(Owned {
        tenant,
        id: line.line_id,
    });
    known.pools.push(Owned {
        tenant,
        id: pool.pool_id,
    });
    known.tokens.push(Owned {
        tenant,
        id: token.token_id,
    });
    known.campaigns.push(Owned {
        tenant,
        id: campaign,
    });
    for lead_id in leads {
        known.lead(campaign, lead_id);
    }
}
