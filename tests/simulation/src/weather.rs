//! What goes wrong on the way, decided call by call by the seed. Each seed has weather of its own: which faults
//! there are at all, and how often.

use std::sync::atomic::{AtomicBool, Ordering};

use aep_emulator::FaultRule;

use crate::random::Dice;

/// What goes wrong with a call to the platform.
#[derive(Clone, Debug)]
pub enum PlatformFault {
    /// The connection is refused: nothing was sent.
    Refused,
    /// The request is lost: nothing comes back, and nobody knows.
    LostRequest,
    /// Whatever the emulator plays by itself.
    Rule(&'static str, Box<FaultRule>),
    /// The reply takes its time.
    Slow(u64),
}

/// What goes wrong with a call to the API server.
#[derive(Clone, Copy, Debug)]
pub enum KubeFault {
    /// The request is lost.
    LostRequest,
    /// It was carried out, but the reply is lost.
    LostReply,
    /// The API server says no.
    Status(u16),
    /// The reply takes its time.
    Slow(u64),
    /// No reply, ever.
    Hang,
}

/// What goes wrong with a watch.
#[derive(Clone, Copy, Debug)]
pub enum WatchFault {
    /// It ends after so many lines.
    Ends(u64),
    /// It breaks after so many lines.
    Breaks(u64),
    /// Each line takes its time.
    Slow(u64),
}

/// The weather of a run.
#[derive(Debug)]
pub struct Weather {
    calm: AtomicBool,
    platform: u64,
    kube: u64,
    watch: u64,
    kinds: u64,
    very_late: bool,
}

impl Weather {
    /// The weather of a seed.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::about((seed, "weather"));
        let levels = [0, 0, 20, 60, 150, 300];
        let mut level = || dice.pick(&levels).copied().unwrap_or_default();
        let (platform, kube, watch) = (level(), level(), level());
        Self {
            calm: AtomicBool::new(false),
            platform,
            kube: kube / 2,
            watch,
            kinds: dice.roll() | dice.roll(),
            very_late: dice.chance(250),
        }
    }

    /// No weather at all.
    pub fn none() -> Self {
        Self {
            calm: AtomicBool::new(true),
            platform: 0,
            kube: 0,
            watch: 0,
            kinds: 0,
            very_late: false,
        }
    }

    /// Faults stop.
    pub fn calm(&self) {
        self.calm.store(true, Ordering::SeqCst);
    }

    fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }

    fn strikes(&self, dice: &mut Dice, permille: u64, kinds: u64) -> Option<u64> {
        // The dice roll alike in any weather.
        let (strikes, kind) = (dice.chance(permille), dice.between(0, kinds - 1));
        (strikes && !self.is_calm() && self.kinds >> kind & 1 == 1).then_some(kind)
    }

    /// What goes wrong with this call to the platform.
    pub fn platform(&self, dice: &mut Dice) -> Option<PlatformFault> {
        let kind = self.strikes(dice, self.platform, 14)?;
        let rule = |word, rule: FaultRule| {
            let rule = FaultRule {
                times: Some(1),
                ..rule
            };
            Some(PlatformFault::Rule(word, Box::new(rule)))
        };
        let plain = FaultRule::default;
        let late = if self.very_late && dice.chance(500) {
            dice.between(130_000, 400_000)
        } else {
            dice.between(1_000, 85_000)
        };
        let status = [500, 502, 503, 504];
        let status = dice.pick(&status).copied();
        match kind {
            0 => Some(PlatformFault::Refused),
            1 => Some(PlatformFault::LostRequest),
            2 | 3 => rule(
                "reply lost",
                FaultRule {
                    drop_after_commit: true,
                    ..plain()
                },
            ),
            4 => rule(
                "done late",
                FaultRule {
                    drop_before_commit: true,
                    commit_late_ms: Some(late),
                    ..plain()
                },
            ),
            5 => rule(
                "status, done late",
                FaultRule {
                    status: Some(504),
                    commit_late_ms: Some(late),
                    ..plain()
                },
            ),
            6 => rule(
                "429",
                FaultRule {
                    status: Some(429),
                    ..plain()
                },
            ),
            7 => {
                let retry_after = Some(dice.between(1, 90));
                rule(
                    "429, Retry-After",
                    FaultRule {
                        status: Some(429),
                        retry_after,
                        ..plain()
                    },
                )
            }
            8 => rule("5xx", FaultRule { status, ..plain() }),
            9 => rule(
                "HTML",
                FaultRule {
                    html: true,
                    status,
                    ..plain()
                },
            ),
            10 => rule(
                "hang",
                FaultRule {
                    hang: true,
                    ..plain()
                },
            ),
            11 => rule(
                "hang, done late",
                FaultRule {
                    hang: true,
                    commit_late_ms: Some(late),
                    ..plain()
                },
            ),
            12 => {
                let latency_ms = Some(dice.between(5_000, 40_000));
                rule(
                    "done slowly",
                    FaultRule {
                        latency_ms,
                        ..plain()
                    },
                )
            }
            _ => Some(PlatformFault::Slow(dice.between(500, 40_000))),
        }
    }

    /// What goes wrong with this call to the API server.
    pub fn kube(&self, dice: &mut Dice) -> Option<KubeFault> {
        let kind = self.strikes(dice, self.kube, 8)?;
        Some(match kind {
            0 => KubeFault::LostRequest,
            1 | 2 => KubeFault::LostReply,
            3 => KubeFault::Status(500),
            4 => KubeFault::Status(503),
            5 => KubeFault::Status(429),
            6 => KubeFault::Hang,
            _ => KubeFault::Slow(dice.between(500, 40_000)),
        })
    }

    /// What goes wrong with this watch.
    pub fn watch(&self, dice: &mut Dice) -> Option<WatchFault> {
        let kind = self.strikes(dice, self.watch, 3)?;
        let lines = dice.between(0, 6);
        Some(match kind {
            0 => WatchFault::Ends(lines),
            1 => WatchFault::Breaks(lines),
            _ => WatchFault::Slow(dice.between(500, 20_000)),
        })
    }
}
