//! A provider that fails for a while: its campaign goes on RUNNING and says why it does not dial,
//! the provider is left in peace, nobody loses an attempt, and everything goes on by itself.

use std::collections::BTreeSet;
use std::time::Duration;

use dialer::Dialer;
use domain::CampaignId;
use domain::ambient::Clock;
use domain::campaign::{CampaignStatus, LeadStatus, StatusReason};
use store::{Caller, CampaignRecord, LeadFilter, LeadRecord, PageRequest};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::scene::{Habit, Scene, instant, until};

const HOST: &str = "fails.example.com";
const LEADS: u32 = 60;
/// Calls at once, and per second.
const LIMITS: (u32, u32) = (40, 20);
/// How long the provider fails.
const MINUTES: usize = 20;
const OUTAGE: Duration = Duration::from_secs(MINUTES as u64 * 60);

/// What an outage is like.
struct Outage {
    habit: Habit,
    /// Most calls whose fate nobody can know.
    doubts: usize,
    /// How long after its end the next call may come.
    resumes_after: Duration,
}

#[tokio::test(start_paused = true)]
async fn connections_are_refused() {
    survives(Outage {
        habit: Habit::Refused,
        doubts: 0,
        resumes_after: Duration::from_secs(65),
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn everything_is_answered_503() {
    survives(Outage {
        habit: Habit::Answers {
            places: 503,
            reads: 503,
        },
        // Three in a row, and what was reserved by then.
        doubts: 8,
        resumes_after: Duration::from_secs(65),
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn only_calls_are_answered_503() {
    survives(Outage {
        habit: Habit::Answers {
            places: 503,
            reads: 200,
        },
        // Each trial leaves one.
        doubts: 30,
        resumes_after: Duration::from_secs(65),
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_answered() {
    survives(Outage {
        habit: Habit::Hangs,
        // As many as can be at once, before the first of them times out.
        doubts: 30,
        // Their slots are free again when a look-up is answered.
        resumes_after: Duration::from_secs(6 * 60),
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_key_is_refused() {
    survives(Outage {
        habit: Habit::Answers {
            places: 401,
            reads: 401,
        },
        doubts: 0,
        resumes_after: Duration::from_secs(65),
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn there_is_no_credit() {
    survives(Outage {
        habit: Habit::Answers {
            places: 402,
            reads: 200,
        },
        doubts: 0,
        resumes_after: Duration::from_secs(65),
    })
    .await;
}

/// A scene with a dialer that runs.
struct Running {
    scene: Scene,
    caller: Caller,
    campaign_id: CampaignId,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), dialer::RunError>>,
}

impl Running {
    async fn start() -> Self {
        let scene = Scene::new();
        let (caller, campaign_id) = scene.campaign(HOST, LIMITS, LEADS).await;
        let stop = CancellationToken::new();
        let tasks = JoinSet::from_iter([Dialer::new(scene.parts()).run(stop.clone())]);
        Self {
            scene,
            caller,
            campaign_id,
            stop,
            tasks,
        }
    }

    async fn end(self) {
        self.stop.cancel();
        for ended in self.tasks.join_all().await {
            ended.unwrap();
        }
    }

    async fn campaign(&self) -> CampaignRecord {
        let store = &self.scene.store;
        let found = store.get_campaign(self.caller.tenant_id, self.campaign_id);
        found.await.unwrap()
    }

    async fn leads(&self) -> Vec<LeadRecord> {
        let page = PageRequest {
            limit: 200,
            before: None,
        };
        let store = &self.scene.store;
        let caller = self.caller;
        let leads = store.list_leads(
            caller.tenant_id,
            self.campaign_id,
            LeadFilter::default(),
            page,
            self.scene.clock.now(),
        );
        leads.await.unwrap().items
    }

    fn called(&self) -> Vec<String> {
        self.scene.network.called.lock().unwrap().clone()
    }

    /// Requests of any kind so far.
    fn requests(&self) -> usize {
        let network = &self.scene.network;
        self.tried() + network.asked.lock().unwrap().len()
    }

    /// Requests to place a call so far.
    fn tried(&self) -> usize {
        self.scene.network.tried.lock().unwrap().len()
    }

    /// Lets time pass until the campaign is as wanted, asking every second.
    async fn until(&self, limit: Duration, wanted: impl Fn(&CampaignRecord) -> bool) {
        let began = instant();
        while !wanted(&self.campaign().await) {
            assert!(instant() - began < limit, "{:?}", self.campaign().await);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

async fn survives(outage: Outage) {
    let running = Running::start().await;
    let network = &running.scene.network;
    until("calls", || running.called().len() >= 10).await;
    network.teach(HOST, outage.habit.clone());
    let rests = |campaign: &CampaignRecord| {
        campaign.status_reason == Some(StatusReason::ProviderUnavailable)
    };
    running.until(Duration::from_secs(30), rests).await;

    goes_on_failing(&running, &outage).await;

    let called = running.called().len();
    let began = instant();
    network.teach(HOST, Habit::Empty);
    until_called(&running, called + 1).await;
    let resumed_after = instant() - began;
    assert!(resumed_after <= outage.resumes_after, "{resumed_after:?}");
    running
        .until(Duration::from_secs(10), |campaign| !rests(campaign))
        .await;

    let over = |campaign: &CampaignRecord| campaign.status == CampaignStatus::Completed;
    running.until(Duration::from_secs(2 * 3_600), over).await;
    let called = running.called();
    let everybody: BTreeSet<_> = called.iter().collect();
    assert_eq!(everybody.len(), LEADS as usize, "somebody was not called");
    assert_eq!(called.len(), LEADS as usize, "somebody was called twice");
    for lead in running.leads().await {
        assert_eq!((lead.status, lead.attempts), (LeadStatus::Answered, 1));
    }
    running.end().await;
}

/// The outage lasts; what must hold all the while, and at its end.
async fn goes_on_failing(running: &Running, outage: &Outage) {
    let called = running.called().len();
    let (tried, requests) = (running.tried(), running.requests());
    let began = instant();
    while instant() - began < OUTAGE {
        let campaign = running.campaign().await;
        let shown = (campaign.status, campaign.status_reason);
        let expected = (
            CampaignStatus::Running,
            Some(StatusReason::ProviderUnavailable),
        );
        assert_eq!(shown, expected, "after {:?}", instant() - began);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(running.called().len(), called, "a call was placed");

    // A trial a minute, after some that are closer to each other.
    let tried = running.tried() - tried;
    assert!(
        tried <= MINUTES + 6,
        "{tried} calls tried in {MINUTES} minutes"
    );
    // Each with a question; and look-ups of calls that are up, twice a minute, and of those in doubt.
    let most = 2 * (MINUTES + 6) + 2 * MINUTES * called + 12 * outage.doubts;
    let requests = running.requests() - requests;
    assert!(
        requests <= most,
        "{requests} requests in {MINUTES} minutes, {most} at most"
    );

    let known: BTreeSet<_> = running.called().into_iter().collect();
    let leads = running.leads().await;
    let unknown = leads
        .iter()
        .filter(|lead| !known.contains(lead.phone.as_str()));
    let (doubted, others): (Vec<_>, Vec<_>) =
        unknown.partition(|lead| lead.status == LeadStatus::Unresolved);
    assert!(doubted.len() <= outage.doubts, "{} in doubt", doubted.len());
    for lead in others {
        assert_eq!((lead.status, lead.attempts), (LeadStatus::Ready, 0));
    }
}

async fn until_called(running: &Running, calls: usize) {
    let began = instant();
    while running.called().len() < calls {
        assert!(
            instant() - began < Duration::from_secs(3_600),
            "nobody is called"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
