//! What errors were caused by.

use std::error::Error;
use std::io;
use std::sync::Arc;

/// As errors of Redis hold theirs.
type Shared = Arc<dyn Error + Send + Sync>;

/// An error and its causes; what an I/O error or a pointer only wraps is one of them.
pub(crate) fn causes<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        if let Some(shared) = error.downcast_ref::<Shared>() {
            return Some(&**shared as &(dyn Error + 'static));
        }
        match error.downcast_ref::<io::Error>().map(io::Error::get_ref) {
            Some(inner) => inner.map(|inner| inner as &'e (dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// Whether the certificate of the other side was refused.
pub(crate) fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))))
}
