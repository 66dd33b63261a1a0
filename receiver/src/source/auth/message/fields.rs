//! The headers of a message signature, read as dictionaries of structured fields (RFC 9651). Pure.
//!
//! Of what stands twice RFC 9651 takes the last; here it is refused, because parsers disagree about it.

use std::borrow::Cow;
use std::convert::Infallible;

use http::HeaderMap;
use sfv::visitor::{
    DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ParameterVisitor,
};
use sfv::{BareItemFromInput, KeyRef, ListSerializer, Parser, StringRef};

use crate::source::auth::AuthError;

/// Longer than any signer writes, in bytes.
const MAX_FIELD: usize = 16 << 10;
/// More signatures than any request bears; each costs a comparison per secret.
const MOST_MEMBERS: usize = 8;
/// More than any signer covers.
const MOST_COMPONENTS: usize = 64;
/// More parameters than are registered, twice over.
const MOST_PARAMETERS: usize = 16;

/// A signature as `Signature-Input` announces it.
pub(super) struct Input<'h> {
    /// Its name in both headers.
    pub(super) label: &'h str,
    components: Vec<Cow<'h, StringRef>>,
    parameters: Vec<(&'h KeyRef, BareItemFromInput<'h>)>,
    defect: Option<AuthError>,
}

impl<'h> Input<'h> {
    fn new(label: &'h KeyRef) -> Self {
        Self {
            label: label.as_str(),
            components: Vec::new(),
            parameters: Vec::new(),
            defect: None,
        }
    }

    /// What it covers, or why it cannot be read.
    pub(super) fn components(&self) -> Result<impl Iterator<Item = &str>, AuthError> {
        match self.defect {
            Some(defect) => Err(defect),
            None => Ok(self.components.iter().map(|name| name.as_str())),
        }
    }

    /// A parameter that is a number.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, AuthError> {
        match self.parameter(name) {
            None => Ok(None),
            Some(BareItemFromInput::Integer(number)) => Ok(Some(i64::from(*number))),
            Some(_) => Err(AuthError::Malformed(INPUT)),
        }
    }

    /// A parameter that is text.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, AuthError> {
        match self.parameter(name) {
            None => Ok(None),
            Some(BareItemFromInput::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(AuthError::Malformed(INPUT)),
        }
    }

    fn parameter(&self, name: &str) -> Option<&BareItemFromInput<'h>> {
        let found = self.parameters.iter().find(|(known, _)| known.as_str() == name);
        found.map(|(_, value)| value)
    }

    /// Components and parameters in their order, as signer and verifier have to write them (RFC 9421, 2.3): a proxy may
    /// have written the header anew.
    pub(super) fn signature_params(&self) -> String {
        let mut list = ListSerializer::new();
        let mut components = list.inner_list();
        for name in &self.components {
            let _ = components.bare_item(name.as_ref());
        }
        let parameters = self.parameters.iter().map(|(name, value)| (*name, value));
        let _ = parameters.fold(components.finish(), |written, (name, value)| {
            written.parameter(name, value)
        });
        list.finish().unwrap_or_default()
    }

    /// The first one counts.
    fn refuse(&mut self, defect: AuthError) {
        self.defect.get_or_insert(defect);
    }
}

/// The header's name in errors.
pub(super) const INPUT: &str = "Signature-Input header";

/// All lines of a header as one field.
pub(super) fn field(headers: &HeaderMap, name: &str, what: &'static str) -> Result<String, AuthError> {
    let mut field = String::new();
    for line in headers.get_all(name) {
        let line = line.to_str().map_err(|_| AuthError::Malformed(what))?;
        if !field.is_empty() {
            field.push_str(", ");
        }
        field.push_str(line.trim());
        if field.len() > MAX_FIELD {
            return Err(AuthError::Malformed(what));
        }
    }
    if field.is_empty() {
        Err(AuthError::Missing(what))
    } else {
        Ok(field)
    }
}

/// The signatures that a `Signature-Input` announces.
pub(super) fn inputs(field: &str) -> Result<Vec<Input<'_>>, AuthError> {
    let inputs = Parser::new(field)
        .parse_dictionary_with_visitor(Inputs(Vec::new()))
        .map_err(|_| AuthError::Malformed(INPUT))?;
    check_names(inputs.iter().map(|input| input.label), INPUT)?;
    Ok(inputs)
}

/// A dictionary's member with its bytes; `None`: it is of another kind.
pub(super) type ByteSequence<'f> = (&'f str, Option<Vec<u8>>);

/// A dictionary of byte sequences.
pub(super) fn byte_sequences<'f>(
    field: &'f str,
    what: &'static str,
) -> Result<Vec<ByteSequence<'f>>, AuthError> {
    let members = Parser::new(field)
        .parse_dictionary_with_visitor(Sequences(Vec::new()))
        .map_err(|_| AuthError::Malformed(what))?;
    check_names(members.iter().map(|(name, _)| *name), what)?;
    Ok(members)
}

fn check_names<'n>(names: impl Iterator<Item = &'n str>, what: &'static str) -> Result<(), AuthError> {
    let mut known: Vec<&str> = Vec::with_capacity(1);
    for name in names {
        if known.len() == MOST_MEMBERS {
            return Err(AuthError::Malformed(what));
        }
        if known.contains(&name) {
            return Err(AuthError::Repeated("value under one label"));
        }
        known.push(name);
    }
    Ok(())
}

struct Inputs<'h>(Vec<Input<'h>>);

impl<'h> DictionaryVisitor<'h> for Inputs<'h> {
    type Out = Vec<Input<'h>>;
    type Error = Infallible;

    fn entry(&mut self, label: &'h KeyRef) -> Result<impl EntryVisitor<'h>, Infallible> {
        self.0.push(Input::new(label));
        Ok(self.0.last_mut())
    }

    fn finish(self) -> Result<Self::Out, Infallible> {
        Ok(self.0)
    }
}

impl<'h> EntryVisitor<'h> for &mut Input<'h> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'h>, Infallible> {
        self.refuse(AuthError::Malformed(INPUT));
        Ok(Ignored)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'h>, Infallible> {
        Ok(self)
    }
}

impl<'h> InnerListVisitor<'h> for &mut Input<'h> {
    type Error = Infallible;

    fn item(&mut self) -> Result<impl ItemVisitor<'h>, Infallible> {
        Ok(Component(self))
    }

    fn finish(self) -> Result<impl ParameterVisitor<'h>, Infallible> {
        Ok(Parameters(self))
    }
}

struct Component<'i, 'h>(&'i mut Input<'h>);

impl<'h> ItemVisitor<'h> for Component<'_, 'h> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(
        self,
        name: BareItemFromInput<'h>,
    ) -> Result<impl ParameterVisitor<'h, Out = ()>, Infallible> {
        match name {
            BareItemFromInput::String(name) if self.0.components.contains(&name) => {
                self.0
                    .refuse(AuthError::Repeated("covered component of one name"));
            }
            BareItemFromInput::String(name) if self.0.components.len() < MOST_COMPONENTS => {
                self.0.components.push(name);
            }
            _ => self.0.refuse(AuthError::Malformed(INPUT)),
        }
        Ok(self)
    }
}

/// The parameters of a component, such as `;sf`, `;key`, `;bs`, `;tr` and `;req`, change what its value is.
impl<'h> ParameterVisitor<'h> for Component<'_, 'h> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, _: &'h KeyRef, _: BareItemFromInput<'h>) -> Result<(), Infallible> {
        self.0.refuse(AuthError::Unsupported(
            "a parameter of a covered component, such as ;sf, ;key, ;bs or ;req",
        ));
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

struct Parameters<'i, 'h>(&'i mut Input<'h>);

impl<'h> ParameterVisitor<'h> for Parameters<'_, 'h> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, name: &'h KeyRef, value: BareItemFromInput<'h>) -> Result<(), Infallible> {
        if self.0.parameter(name.as_str()).is_some() {
            self.0.refuse(AuthError::Repeated("parameter of one name"));
        } else if self.0.parameters.len() < MOST_PARAMETERS {
            self.0.parameters.push((name, value));
        } else {
            self.0.refuse(AuthError::Malformed(INPUT));
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }
}

struct Sequences<'f>(Vec<ByteSequence<'f>>);

impl<'f> DictionaryVisitor<'f> for Sequences<'f> {
    type Out = Vec<ByteSequence<'f>>;
    type Error = Infallible;

    fn entry(&mut self, name: &'f KeyRef) -> Result<impl EntryVisitor<'f>, Infallible> {
        self.0.push((name.as_str(), None));
        Ok(self.0.last_mut().map(|(_, bytes)| Sequence(bytes)))
    }

    fn finish(self) -> Result<Self::Out, Infallible> {
        Ok(self.0)
    }
}

struct Sequence<'s>(&'s mut Option<Vec<u8>>);

impl<'f> EntryVisitor<'f> for Sequence<'_> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'f>, Infallible> {
        Ok(self)
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'f>, Infallible> {
        Ok(Ignored)
    }
}

impl<'f> ItemVisitor<'f> for Sequence<'_> {
    type Out = ();
    type Error = Infallible;

    fn bare_item(
        self,
        value: BareItemFromInput<'f>,
    ) -> Result<impl ParameterVisitor<'f, Out = ()>, Infallible> {
        if let BareItemFromInput::ByteSequence(bytes) = value {
            *self.0 = Some(bytes);
        }
        Ok(Ignored)
    }
}
