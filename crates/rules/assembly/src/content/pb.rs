//! As much of protobuf as two tiny messages need: numbers and byte strings, in shortest form.

/// A field as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Wire type 0.
    Number(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
}

/// The fields of a message in the order in which they came, or that they are no message.
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next field's number and value; `Ok(None)` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.number()?;
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            2 => Value::Bytes(self.bytes()?),
            _ => return Err(Malformed),
        };
        Ok(Some((key >> 3, value)))
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        let (number, rest) = unsigned_varint::decode::u64(self.0).map_err(|_| Malformed)?;
        self.0 = rest;
        Ok(number)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }
}

/// The bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Writes a number's field.
pub(crate) fn put_number(out: &mut Vec<u8>, field: u8, value: u64) {
    put_varint(out, u64::from(field) << 3);
    put_varint(out, value);
}

/// Writes a byte string's field.
pub(crate) fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    put_head(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

/// Writes what goes before so many bytes of a byte string's field.
pub(crate) fn put_head(out: &mut Vec<u8>, field: u8, length: usize) {
    put_varint(out, (u64::from(field) << 3) | 2);
    put_varint(out, length as u64);
}

/// Writes a number in seven-bit groups, the lowest first.
pub(crate) fn put_varint(out: &mut Vec<u8>, value: u64) {
    let mut buffer = unsigned_varint::encode::u64_buffer();
    out.extend_from_slice(unsigned_varint::encode::u64(value, &mut buffer));
}
