//! A peer that speaks Bitswap byte by byte, as the test wants it: well, badly, or not at all.

use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use girrona_net::{Multiaddr, PeerId};
use libp2p::{
    Stream, StreamProtocol, SwarmBuilder, identify, noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use libp2p_stream::{Control, IncomingStreams};

use crate::nodes::NETWORK;

const BITSWAP: StreamProtocol = StreamProtocol::new("/ipfs/bitswap/1.2.0");

#[derive(NetworkBehaviour)]
struct Manners {
    stream: libp2p_stream::Behaviour,
    identify: identify::Behaviour,
}

pub(crate) struct Raw {
    pub(crate) peer: PeerId,
    control: Control,
    pub(crate) incoming: IncomingStreams,
}

impl Raw {
    /// Connected to `to`, as a member of its network or not; lives as long as the runtime.
    pub(crate) async fn meet(to: Multiaddr, is_member: bool) -> Self {
        let version = if is_member { format!("/girrona/{NETWORK}/1") } else { "ipfs/0.1.0".into() };
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|key| Manners {
                stream: libp2p_stream::Behaviour::new(),
                identify: identify::Behaviour::new(identify::Config::new(version, key.public())),
            })
            .unwrap()
            .with_swarm_config(|c| c.with_idle_connection_timeout(Duration::from_secs(600)))
            .build();
        let mut control = swarm.behaviour().stream.new_control();
        let incoming = control.accept(BITSWAP).unwrap();
        let peer = *swarm.local_peer_id();
        swarm.dial(to).unwrap();
        while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionEstablished { .. }) {}
        tokio::spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
        Self { peer, control, incoming }
    }

    /// A stream to a node; `None` if it does not want one.
    pub(crate) async fn open(&self, to: PeerId) -> Option<Stream> {
        let mut control = self.control.clone();
        let open = control.open_stream(to, BITSWAP);
        tokio::time::timeout(Duration::from_secs(5), open).await.ok()?.ok()
    }

    /// Sends messages on a stream of their own; `false` when the node closed it meanwhile.
    pub(crate) async fn send(&self, to: PeerId, messages: &[Vec<u8>]) -> bool {
        let Some(mut stream) = self.open(to).await else { return false };
        for message in messages {
            let sent = async {
                stream.write_all(&prefix(message.len() as u64)).await?;
                stream.write_all(message).await?;
                stream.flush().await
            };
            if sent.await.is_err() {
                return false;
            }
        }
        stream.close().await.is_ok()
    }

    /// The next message on any stream that the node opens.
    pub(crate) async fn heard(&mut self) -> (Vec<u8>, Stream) {
        loop {
            let (_, mut stream) = self.incoming.next().await.unwrap();
            if let Some(message) = read(&mut stream).await {
                return (message, stream);
            }
        }
    }
}

/// A message's length before it.
pub(crate) fn prefix(mut len: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while len >= 0x80 {
        bytes.push(len as u8 | 0x80);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes
}

/// The next message of a stream.
pub(crate) async fn read(stream: &mut Stream) -> Option<Vec<u8>> {
    let (mut len, mut place) = (0usize, 0);
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.ok()?;
        len |= usize::from(byte[0] & 0x7f) << (7 * place);
        place += 1;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut message = vec![0; len];
    stream.read_exact(&mut message).await.ok()?;
    Some(message)
}
