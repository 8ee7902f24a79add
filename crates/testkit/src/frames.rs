//! Everything that one event stream said, collected in the background.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Result, bail};
use futures::StreamExt;
use girrona_api::{EventStreamPath, Frame, events};
use girrona_types::EventId;
use tokio::{sync::watch, task::JoinHandle};

/// Frames that are kept; a test that hears more should listen to less.
const FRAMES_MAX: usize = 500_000;

#[derive(Debug, Default)]
struct Heard {
    frames: Vec<(Option<EventId>, Frame)>,
    problems: Vec<String>,
}

/// A listener at one node. It comes back after interruptions, behind the last frame it heard.
#[derive(Debug)]
pub struct Frames {
    url: String,
    heard: Arc<Mutex<Heard>>,
    count: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Frames {
    /// Listens from now on, or from an event on; returns once the node has answered.
    pub(crate) async fn listen(
        url: &str,
        path: EventStreamPath,
        start_from: Option<EventId>,
    ) -> Result<Self> {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (sender, count) = watch::channel(0);
        let mut stream = events(url, path, start_from);
        let inside = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            while let Some(item) = stream.next().await {
                let mut heard = inside.lock().unwrap_or_else(PoisonError::into_inner);
                match item {
                    Ok(frame) => heard.frames.push(frame),
                    Err(error) => heard.problems.push(error.to_string()),
                }
                let total = heard.frames.len();
                drop(heard);
                if sender.send(total).is_err() || total >= FRAMES_MAX {
                    return;
                }
            }
        });
        let frames = Self { url: format!("{url}{path}"), heard, count, task };
        frames
            .wait_for("the first frame", Duration::from_secs(20), |frame| {
                matches!(frame, Frame::ApiVersion(_))
            })
            .await?;
        Ok(frames)
    }

    /// All frames so far, in order.
    pub fn all(&self) -> Vec<Frame> {
        self.lock().frames.iter().map(|(_, frame)| frame.clone()).collect()
    }

    /// All frames so far with their ids.
    pub fn with_ids(&self) -> Vec<(Option<EventId>, Frame)> {
        self.lock().frames.clone()
    }

    /// What went wrong with the connection so far.
    pub fn problems(&self) -> Vec<String> {
        self.lock().problems.clone()
    }

    /// How many frames so far are so.
    pub fn count(&self, wanted: impl Fn(&Frame) -> bool) -> usize {
        self.lock().frames.iter().filter(|(_, frame)| wanted(frame)).count()
    }

    /// The first frame that is so; waits for it.
    ///
    /// # Errors
    /// When there is none in time; `what` says what was expected.
    pub async fn wait_for(
        &self,
        what: &str,
        within: Duration,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Result<Frame> {
        let mut count = self.count.clone();
        let found = async {
            let mut looked = 0;
            loop {
                let total = *count.borrow_and_update();
                {
                    let heard = self.lock();
                    let new = heard.frames.iter().skip(looked);
                    if let Some((_, frame)) = new.clone().find(|(_, frame)| wanted(frame)) {
                        return Some(frame.clone());
                    }
                    looked = total.min(heard.frames.len());
                }
                if count.changed().await.is_err() {
                    return None;
                }
            }
        };
        let found = tokio::time::timeout(within, found).await;
        if let Ok(Some(frame)) = found {
            return Ok(frame);
        }
        let heard = self.lock();
        let ended = if found.is_ok() { "the stream ended" } else { "time is over" };
        let last: Vec<_> =
            heard.frames.iter().rev().take(5).map(|(id, frame)| (id, name(frame))).collect();
        bail!(
            "{}: no {what} within {within:?} ({ended}); {} frames, the last {last:?}; problems {:?}",
            self.url,
            heard.frames.len(),
            heard.problems
        );
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What kind of frame it is.
fn name(frame: &Frame) -> &'static str {
    match frame {
        Frame::ApiVersion(_) => "ApiVersion",
        Frame::BlockAdded { .. } => "BlockAdded",
        Frame::DeployAccepted(_) => "DeployAccepted",
        Frame::DeployProcessed(_) => "DeployProcessed",
        Frame::DeployExpired { .. } => "DeployExpired",
        Frame::FinalitySignature(_) => "FinalitySignature",
        Frame::Fault { .. } => "Fault",
        Frame::Step { .. } => "Step",
        Frame::Shutdown => "Shutdown",
    }
}
