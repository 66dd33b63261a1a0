//! What must be shown to see leads: a token in a file, which may change at any time.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Mutex;

use crate::renewal::Complaint;

const FLAG: &str = "--admin-token-file";
const SCHEME: &[u8] = b"Bearer ";

/// How long a token counts without another look at its file.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often requests with other tokens may cause a look.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// The digest of a bearer token.
struct Token([u8; 32]);

impl Token {
    /// From a file's content; blanks at its end do not count.
    fn of(content: std::io::Result<Vec<u8>>) -> Result<Self, String> {
        let content = content.map_err(|error| format!("the file cannot be read: {error}"))?;
        match content.trim_ascii() {
            [] => Err("the file is empty; write the token into it".to_owned()),
            token => Ok(Self(Sha256::digest(token).into())),
        }
    }

    fn is(&self, given: &[u8]) -> bool {
        <[u8; 32]>::from(Sha256::digest(given)).ct_eq(&self.0).into()
    }
}

/// The token, and the file that it comes from.
pub(crate) struct TokenFile {
    path: PathBuf,
    last: Mutex<(Token, Instant)>,
    /// What is wrong with the file now.
    pub(super) complaint: Complaint,
}

impl TokenFile {
    /// Reads the file.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let token =
            Token::of(std::fs::read(path)).map_err(|why| anyhow!("{FLAG} {}: {why}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            last: Mutex::new((token, Instant::now())),
            complaint: Complaint::default(),
        })
    }

    /// What tells this token from others, without telling it.
    pub(super) async fn mark(&self) -> String {
        let mut last = self.last.lock().await;
        if last.1.elapsed() >= LOOK_EVERY {
            self.look(&mut last).await;
        }
        hex::encode(Sha256::digest(last.0.0))
    }

    /// Reads the file again.
    async fn look(&self, last: &mut (Token, Instant)) {
        let read = Token::of(tokio::fs::read(&self.path).await);
        last.1 = Instant::now();
        let told = read.map(|token| last.0 = token);
        let told = told.map_err(|why| format!("{why}; the former token stays valid"));
        self.complaint.set(FLAG, Some(&self.path), told);
    }

    /// Whether a request carries the token that the file holds now.
    pub(super) async fn matches(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        // The scheme's name has no case (RFC 9110, 11.1).
        let Some(given) = given
            .and_then(|value| value.split_at_checked(SCHEME.len()))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(SCHEME))
            .map(|(_, token)| token)
        else {
            return false;
        };
        let mut last = self.last.lock().await;
        let (token, looked) = &*last;
        let patience = if token.is(given) {
            LOOK_EVERY
        } else {
            LOOK_AT_MOST_EVERY
        };
        if looked.elapsed() >= patience {
            self.look(&mut last).await;
        }
        last.0.is(given)
    }
}
