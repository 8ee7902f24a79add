//! One length-prefixed frame on a stream: four bytes, big endian, then that many bytes.
//!
//! Knows: a maximum and a byte budget. Memory grows with the bytes that arrive, never with the
//! length that a stranger claims. Does not know: what is inside.

use std::io::{self, ErrorKind};

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::limits::Budget;

const STEP: usize = 64 << 10;

/// Reads one frame, or `None` where the stream ends cleanly before its first byte.
///
/// # Errors
/// `InvalidData`: longer than `max`. `UnexpectedEof`: cut off. `QuotaExceeded`: the frames being
/// read by everybody together pass `budget`. Else what the stream says.
pub async fn read<T>(io: &mut T, max: usize, budget: Option<&Budget>) -> io::Result<Option<Vec<u8>>>
where
    T: AsyncRead + Unpin + Send,
{
    let Some(len) = read_len(io, max).await? else { return Ok(None) };
    read_body(io, len, budget).await.map(Some)
}

pub(crate) async fn read_len<T>(io: &mut T, max: usize) -> io::Result<Option<usize>>
where
    T: AsyncRead + Unpin + Send,
{
    let mut header = [0; 4];
    let (first, rest) = header.split_at_mut(1);
    if io.read(first).await? == 0 {
        return Ok(None);
    }
    io.read_exact(rest).await?;
    let len = u32::from_be_bytes(header) as usize;
    if len > max {
        let text = format!("a frame of {len} bytes, at most {max} are allowed");
        return Err(io::Error::new(ErrorKind::InvalidData, text));
    }
    Ok(Some(len))
}

pub(crate) async fn read_body<T>(
    io: &mut T,
    len: usize,
    budget: Option<&Budget>,
) -> io::Result<Vec<u8>>
where
    T: AsyncRead + Unpin + Send,
{
    let mut charge = budget.map(Budget::charge);
    let mut body = Vec::with_capacity(len.min(STEP));
    while body.len() < len {
        let have = body.len();
        let step = (len - have).min(STEP);
        if charge.as_mut().is_some_and(|charge| !charge.grow(step)) {
            return Err(io::Error::new(ErrorKind::QuotaExceeded, "too much is being read"));
        }
        body.resize(have + step, 0);
        let Some(gap) = body.get_mut(have..) else { break };
        io.read_exact(gap).await?;
    }
    Ok(body)
}

/// Writes one frame; the caller flushes.
///
/// # Errors
/// `InvalidInput`: longer than `max`. Else what the stream says.
pub async fn write<T>(io: &mut T, body: &[u8], max: usize) -> io::Result<()>
where
    T: AsyncWrite + Unpin + Send,
{
    let len = u32::try_from(body.len()).ok().filter(|_| body.len() <= max);
    let Some(len) = len else {
        let text = format!("a frame of {} bytes, at most {max} are allowed", body.len());
        return Err(io::Error::new(ErrorKind::InvalidInput, text));
    };
    io.write_all(&len.to_be_bytes()).await?;
    io.write_all(body).await
}

#[cfg(test)]
mod tests {
    use futures::{executor::block_on, io::Cursor};

    use super::*;

    fn read_all(bytes: &[u8], max: usize) -> io::Result<Option<Vec<u8>>> {
        block_on(read(&mut Cursor::new(bytes), max, None))
    }

    #[test]
    fn a_frame_comes_back_as_it_went() {
        let body = vec![9; 200_000];
        let mut wire = Vec::new();
        block_on(write(&mut wire, &body, 1 << 20)).unwrap();
        assert_eq!(read_all(&wire, 1 << 20).unwrap(), Some(body));
        assert_eq!(read_all(&[0, 0, 0, 0], 10).unwrap(), Some(vec![]));
        assert_eq!(read_all(&[], 10).unwrap(), None);
    }

    #[test]
    fn a_claimed_length_costs_no_memory_and_a_cut_frame_is_an_error() {
        let kind = |bytes: &[u8]| read_all(bytes, 1 << 20).unwrap_err().kind();
        assert_eq!(kind(&[0xff; 12]), ErrorKind::InvalidData);
        assert_eq!(kind(&[0, 0, 1]), ErrorKind::UnexpectedEof);
        assert_eq!(kind(&[0, 0, 0, 9, 1]), ErrorKind::UnexpectedEof);
        let error = block_on(write(&mut Vec::new(), &[0; 11], 10)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_frame_beyond_the_shared_budget_is_refused() {
        let mut wire = Vec::new();
        block_on(write(&mut wire, &[1; 300_000], 1 << 20)).unwrap();
        let budget = Budget::new(200_000);
        let read = block_on(read(&mut Cursor::new(&wire), 1 << 20, Some(&budget)));
        assert_eq!(read.unwrap_err().kind(), ErrorKind::QuotaExceeded);
        assert!(budget.charge().grow(200_000), "given back");
    }
}
