//! How a Deploy ended.

use casper_types::{U512, execution::ExecutionResultV1};

/// How a Deploy ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Why it failed, in the words that clients see; nothing when it succeeded.
    pub error: Option<String>,
    /// What it cost its sender, in motes; the gas it used, when it succeeded.
    pub cost: U512,
    /// What a client gets as the execution result; nothing when a node would not have taken the
    /// Deploy at all.
    pub result: Option<ExecutionResultV1>,
}

impl Outcome {
    pub(crate) fn refused(error: String) -> Self {
        Self { error: Some(error), cost: U512::zero(), result: None }
    }

    pub(crate) fn executed(result: ExecutionResultV1) -> Self {
        let (error, cost) = match &result {
            ExecutionResultV1::Success { cost, .. } => (None, *cost),
            ExecutionResultV1::Failure { cost, error_message, .. } => {
                (Some(error_message.clone()), *cost)
            }
        };
        Self { error, cost, result: Some(result) }
    }

    /// Whether a node would refuse the Deploy before it costs anything.
    pub fn is_refused(&self) -> bool {
        self.result.is_none()
    }

    /// The outcome, if it is a success.
    ///
    /// # Panics
    /// With the error, if it is not.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        if let Some(error) = &self.error {
            panic!("the Deploy should have succeeded, but: {error}");
        }
        self
    }

    /// The outcome, if it failed with these words.
    ///
    /// # Panics
    /// When it succeeded, or failed in another way.
    #[track_caller]
    pub fn failed(self, expected: &str) -> Self {
        match &self.error {
            Some(error) if error == expected => self,
            Some(error) => panic!("the Deploy should have failed with {expected:?}: {error:?}"),
            None => panic!("the Deploy should have failed with {expected:?}, and succeeded"),
        }
    }
}
