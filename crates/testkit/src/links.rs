//! The wires between nodes: one TCP proxy for each direction in which two nodes may connect.
//!
//! A cut closes the connections of a node and refuses new ones; nothing else changes.

use std::{net::Ipv4Addr, sync::Arc};

use anyhow::{Context, Result};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// All wires of a network.
#[derive(Debug)]
pub(crate) struct Links {
    /// Which nodes are cut off.
    cut: Arc<watch::Sender<Vec<bool>>>,
    /// Port by the number of who calls and who is called.
    ports: Vec<Vec<u16>>,
    // Ends with this value.
    _wires: JoinSet<()>,
}

impl Links {
    /// Wires between nodes that listen on these ports.
    ///
    /// # Errors
    /// When the system has no port left.
    pub(crate) async fn lay(targets: &[u16]) -> Result<Self> {
        let cut = Arc::new(watch::Sender::new(vec![false; targets.len()]));
        let mut wires = JoinSet::new();
        let mut ports = Vec::new();
        for from in 0..targets.len() {
            let mut row = Vec::new();
            for (to, target) in targets.iter().copied().enumerate() {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
                let listener = listener.context("find a port for a wire")?;
                row.push(listener.local_addr().context("read a wire's port")?.port());
                let ends = [from, to];
                if from != to {
                    wires.spawn(carry(listener, target, ends, cut.subscribe()));
                }
            }
            ports.push(row);
        }
        Ok(Self { cut, ports, _wires: wires })
    }

    /// Where node `from` reaches node `to`.
    pub(crate) fn port(&self, from: usize, to: usize) -> u16 {
        self.ports[from][to]
    }

    /// Cuts a node off, or heals its wires.
    pub(crate) fn set_cut(&self, node: usize, is_cut: bool) {
        self.cut.send_modify(|cut| cut[node] = is_cut);
    }
}

/// Carries connections between two ends, as long as neither is cut off.
async fn carry(
    listener: TcpListener,
    target: u16,
    ends: [usize; 2],
    mut cut: watch::Receiver<Vec<bool>>,
) {
    let mut connections = JoinSet::new();
    let is_cut = move |cut: &Vec<bool>| ends.iter().any(|end| cut[*end]);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((caller, _)) = accepted else { continue };
                if !is_cut(&cut.borrow()) {
                    connections.spawn(connect(caller, target));
                }
            }
            changed = cut.changed() => {
                if changed.is_err() {
                    return;
                }
                if is_cut(&cut.borrow_and_update()) {
                    // Dropping a connection's task closes both its sockets.
                    connections.shutdown().await;
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection to its end.
async fn connect(mut caller: TcpStream, target: u16) {
    // Whatever breaks here breaks for the two ends as well, and they deal with it.
    let Ok(mut called) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { return };
    let _ = (caller.set_nodelay(true), called.set_nodelay(true));
    let _ = copy_bidirectional(&mut caller, &mut called).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// A node that says back what it hears.
    async fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        port
    }

    /// Says a word and hears it back.
    async fn speak(stream: &mut TcpStream) -> std::io::Result<()> {
        stream.write_all(b"word").await?;
        let mut heard = [0; 4];
        stream.read_exact(&mut heard).await?;
        assert_eq!(&heard, b"word");
        Ok(())
    }

    #[tokio::test]
    async fn a_wire_carries_words_until_it_is_cut_and_again_when_it_is_healed() {
        let targets = [echo().await, echo().await];
        let links = Links::lay(&targets).await.unwrap();
        let call = || TcpStream::connect((Ipv4Addr::LOCALHOST, links.port(0, 1)));
        let mut open = call().await.unwrap();
        speak(&mut open).await.unwrap();
        links.set_cut(1, true);
        assert!(speak(&mut open).await.is_err(), "an open connection is closed by a cut");
        let mut late = call().await.unwrap();
        assert!(speak(&mut late).await.is_err(), "a new connection is refused");
        links.set_cut(1, false);
        speak(&mut call().await.unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn a_cut_touches_only_the_wires_of_its_node() {
        let targets = [echo().await, echo().await, echo().await];
        let links = Links::lay(&targets).await.unwrap();
        let call = |from, to| TcpStream::connect((Ipv4Addr::LOCALHOST, links.port(from, to)));
        let mut others = call(0, 1).await.unwrap();
        links.set_cut(2, true);
        speak(&mut others).await.unwrap();
        assert!(speak(&mut call(2, 0).await.unwrap()).await.is_err());
        assert!(speak(&mut call(1, 2).await.unwrap()).await.is_err());
        speak(&mut call(1, 0).await.unwrap()).await.unwrap();
    }
}
