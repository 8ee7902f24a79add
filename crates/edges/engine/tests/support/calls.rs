//! Calls of host functions in random programs: with arguments of the right kinds mostly, so that
//! they get as far as the host.

use casper_types::bytesrepr::ToBytes;
use casper_types::contract_messages::{MessagePayload, MessageTopicOperation};
use casper_types::contracts::{EntryPoint, EntryPoints};
use casper_types::{
    CLType, CLValue, EntryPointAccess, EntryPointType, Key, NamedKeys, PublicKey, RuntimeArgs,
    SecretKey, Signature, U512, URef, account::AccountHash,
};
use girrona_vm::abi::Function as Host;
use wasm_encoder::Instruction as I;

use crate::host::{ACCOUNT, CONTRACT, MAIN_PURSE, PACKAGE};
use crate::program::{FIXED, Ty, Writer};

/// Where host functions write.
pub(crate) const OUT_AT: i32 = 0x700;
/// A value that can be added to.
pub(crate) const NUMBER: URef = URef::new([2; 32], casper_types::AccessRights::READ_ADD_WRITE);

/// Bytes that lie in the memory of every program, by what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Blob {
    Purse,
    NumberKey,
    PurseKey,
    AccountKey,
    ItemKey,
    Account,
    Stranger,
    RawName,
    Name,
    EntryPoint,
    Number,
    Text,
    Amount,
    TooMuch,
    Contract,
    Package,
    Args,
    Nothing,
    Id,
    EntryPoints,
    Names,
    Urefs,
    Topics,
    Operation,
    Message,
    Signature,
    PublicKey,
}

/// One argument of a host function.
#[derive(Clone, Copy)]
enum Arg {
    /// Pointer and size of one of these.
    Of(&'static [Blob]),
    /// Where the host writes.
    Out,
    /// A number up to this.
    Below(u64),
    /// This number.
    Is(i32),
}

/// The bytes, and where each blob lies.
pub(crate) fn blobs() -> (Vec<u8>, Vec<(i32, i32)>) {
    let value = |value: CLValue| value.to_bytes().unwrap();
    let mut args = RuntimeArgs::new();
    args.insert("value", 7_u64).unwrap();
    let mut entry_points = EntryPoints::new();
    entry_points.add_entry_point(EntryPoint::new(
        "go".to_owned(),
        Vec::new(),
        CLType::Unit,
        EntryPointAccess::Public,
        EntryPointType::Called,
    ));
    let mut names = NamedKeys::new();
    names.insert("n".to_owned(), Key::Account(ACCOUNT));
    let key = SecretKey::secp256k1_from_bytes([3; 32]).unwrap();
    // In the order of `Blob`.
    let pieces = [
        MAIN_PURSE.to_bytes().unwrap(),
        Key::URef(NUMBER).to_bytes().unwrap(),
        Key::URef(MAIN_PURSE).to_bytes().unwrap(),
        Key::Account(ACCOUNT).to_bytes().unwrap(),
        Key::dictionary(MAIN_PURSE, b"player").to_bytes().unwrap(),
        ACCOUNT.to_bytes().unwrap(),
        AccountHash::new([9; 32]).to_bytes().unwrap(),
        b"player".to_vec(),
        "player".to_bytes().unwrap(),
        "echo".to_bytes().unwrap(),
        value(CLValue::from_t(5_u64).unwrap()),
        value(CLValue::from_t("ana".to_owned()).unwrap()),
        U512::from(10).to_bytes().unwrap(),
        U512::from(u64::MAX).to_bytes().unwrap(),
        CONTRACT.to_bytes().unwrap(),
        PACKAGE.to_bytes().unwrap(),
        args.to_bytes().unwrap(),
        Option::<u32>::None.to_bytes().unwrap(),
        Some(1_u64).to_bytes().unwrap(),
        entry_points.to_bytes().unwrap(),
        names.to_bytes().unwrap(),
        vec![MAIN_PURSE].to_bytes().unwrap(),
        // No topics.
        0_u32.to_bytes().unwrap(),
        MessageTopicOperation::Add.to_bytes().unwrap(),
        MessagePayload::from("hi".to_owned()).to_bytes().unwrap(),
        Signature::secp256k1([2; 64]).unwrap().to_bytes().unwrap(),
        PublicKey::from(&key).to_bytes().unwrap(),
    ];
    assert_eq!(pieces.len(), Blob::PublicKey as usize + 1);
    let (mut bytes, mut places) = (Vec::new(), Vec::new());
    for piece in pieces {
        places.push((bytes.len() as i32, piece.len() as i32));
        bytes.extend(piece);
    }
    assert!(bytes.len() < 0x600);
    (bytes, places)
}

/// What a function takes.
#[rustfmt::skip]
fn arguments(function: Host) -> Vec<Arg> {
    use Arg::{Below, Is, Of, Out};
    use Blob as B;
    const KEY: Arg = Of(&[B::NumberKey, B::NumberKey, B::PurseKey, B::AccountKey]);
    const NUMBER_KEY: Arg = Of(&[B::NumberKey]);
    const NUMBER: Arg = Of(&[B::Number]);
    const VALUE: Arg = Of(&[B::Number, B::Text]);
    const ACCOUNT: Arg = Of(&[B::Account, B::Stranger]);
    const PURSE: Arg = Of(&[B::Purse]);
    const AMOUNT: Arg = Of(&[B::Amount, B::Amount, B::TooMuch]);
    const ID: Arg = Of(&[B::Id, B::Nothing]);
    const NAME: Arg = Of(&[B::Name]);
    const RAW: Arg = Of(&[B::RawName]);
    const PACKAGE: Arg = Of(&[B::Package]);
    const CONTRACT: Arg = Of(&[B::Contract]);
    const ECHO: Arg = Of(&[B::EntryPoint]);
    const ARGS: Arg = Of(&[B::Args]);
    const UREFS: Arg = Of(&[B::Urefs]);
    match function {
        Host::ReadValue => vec![KEY, Out],
        Host::Write => vec![NUMBER_KEY, NUMBER],
        Host::Add => vec![NUMBER_KEY, NUMBER],
        Host::NewUref => vec![Out, VALUE],
        Host::LoadNamedKeys | Host::LoadCallStack | Host::LoadAuthorizationKeys => vec![Out, Out],
        Host::Ret => vec![VALUE],
        Host::GetKey => vec![NAME, Out, Is(40), Out],
        Host::HasKey | Host::RemoveKey => vec![NAME],
        Host::PutKey => vec![NAME, KEY],
        Host::GetCaller | Host::GetBlocktime | Host::GetPhase | Host::GetMainPurse
        | Host::NewDictionary => vec![Out],
        Host::IsValidUref => vec![PURSE],
        Host::Revert => vec![Below(70_000)],
        Host::AddAssociatedKey | Host::UpdateAssociatedKey => vec![ACCOUNT, Below(260)],
        Host::RemoveAssociatedKey => vec![Of(&[B::Stranger])],
        Host::SetActionThreshold => vec![Below(2), Below(3)],
        Host::CreatePurse => vec![Out, Is(33)],
        Host::TransferToAccount => vec![ACCOUNT, AMOUNT, ID, Out],
        Host::TransferFromPurseToAccount => vec![PURSE, ACCOUNT, AMOUNT, ID, Out],
        Host::TransferFromPurseToPurse => vec![PURSE, PURSE, AMOUNT, ID],
        Host::GetBalance => vec![PURSE, Out],
        Host::GetSystemContract => vec![Below(5), Out, Is(32)],
        Host::ReadHostBuffer => vec![Out, Is(64), Out],
        Host::CreateContractPackageAtHash => vec![Out, Out, Below(2)],
        Host::CreateContractUserGroup => vec![PACKAGE, NAME, Below(4), UREFS, Out],
        Host::AddContractVersion => {
            vec![PACKAGE, Out, Of(&[B::EntryPoints]), Of(&[B::Names]), Out, Is(32), Out]
        }
        Host::DisableContractVersion | Host::EnableContractVersion => vec![PACKAGE, CONTRACT],
        Host::CallContract => vec![CONTRACT, ECHO, ARGS, Out],
        Host::CallVersionedContract => vec![PACKAGE, Of(&[B::Nothing]), ECHO, ARGS, Out],
        Host::GetNamedArgSize => vec![RAW, Out],
        Host::GetNamedArg => vec![RAW, Out, Is(7)],
        Host::RemoveContractUserGroup => vec![PACKAGE, NAME],
        Host::ProvisionContractUserGroupUref => vec![PACKAGE, NAME, Out],
        Host::RemoveContractUserGroupUrefs => vec![PACKAGE, NAME, UREFS],
        Host::Blake2b => vec![VALUE, Out, Is(32)],
        Host::DictionaryGet => vec![PURSE, RAW, Out],
        Host::DictionaryPut => vec![PURSE, RAW, VALUE],
        Host::DictionaryRead => vec![Of(&[B::ItemKey]), Out],
        Host::RandomBytes => vec![Out, Is(32)],
        Host::RecordTransfer => vec![Below(9); 10],
        Host::RecordEraInfo => vec![Below(9); 4],
        Host::AddContractVersionWithMessageTopics => vec![
            PACKAGE, Out, Of(&[B::EntryPoints]), Of(&[B::Names]), Of(&[B::Topics]), Out, Is(32),
        ],
        Host::ManageMessageTopic => vec![RAW, Of(&[B::Operation])],
        Host::EmitMessage => vec![RAW, Of(&[B::Message])],
        Host::LoadCallerInformation => vec![Below(4), Out, Out],
        Host::GetBlockInfo => vec![Below(6), Out],
        Host::GenericHash => vec![VALUE, Below(4), Out, Is(32)],
        Host::RecoverSecp256k1 => vec![VALUE, Of(&[B::Signature]), Out, Below(5)],
        Host::VerifySignature => vec![VALUE, Of(&[B::Signature]), Of(&[B::PublicKey])],
        Host::CallPackageVersion => {
            vec![PACKAGE, Of(&[B::Nothing]), Of(&[B::Nothing]), ECHO, ARGS, Out]
        }
    }
}

impl Writer {
    /// Calls a host function, and mostly takes what it left in the host buffer.
    pub(crate) fn host(&mut self) {
        let all: Vec<Host> = self.imports.clone();
        let host = self.dice.of(&all);
        let ends = matches!(host, Host::Ret | Host::Revert);
        let traps = matches!(host, Host::RecordTransfer | Host::RecordEraInfo);
        if (ends || traps) && !self.dice.one_in(10) {
            return;
        }
        self.call_host(host);
        if self.dice.one_in(2) {
            self.call_host(Host::ReadHostBuffer);
        }
    }

    fn call_host(&mut self, host: Host) {
        let first = self.out.len();
        for arg in arguments(host) {
            self.argument(arg);
        }
        assert!(self.out.len() > first);
        let at = self.imports.iter().position(|import| *import == host).unwrap();
        self.mark_host(host);
        self.put(I::Call(at as u32));
        if host.returns() {
            let local = self.locals.iter().position(|ty| *ty == Ty::A);
            self.put(local.map_or(I::Drop, |local| I::LocalSet(local as u32)));
        }
    }

    fn argument(&mut self, arg: Arg) {
        // Rarely something else: a bad pointer, or bytes of another kind.
        let is_wild = self.dice.one_in(400);
        let is_wrong = self.dice.one_in(400);
        match arg {
            Arg::Of(_) if is_wild => {
                self.value(Ty::A, 1);
                self.value(Ty::A, 1);
            }
            Arg::Of(blobs) => {
                let right = self.dice.of(blobs) as usize;
                let which = if is_wrong {
                    self.dice.below(self.places.len() as u64) as usize
                } else {
                    right
                };
                let (at, size) = self.places[which];
                self.put(I::I32Const(at));
                self.put(I::I32Const(size));
            }
            _ if is_wild => self.value(Ty::A, 1),
            Arg::Out => {
                let out = OUT_AT + self.dice.below(4) as i32 * 64;
                self.put(I::I32Const(out));
            }
            Arg::Below(most) => {
                let number = self.dice.below(most) as i32;
                self.put(I::I32Const(number));
            }
            Arg::Is(number) => self.put(I::I32Const(number)),
        }
    }

    /// The imports of a program: what all of them need, and some more.
    pub(crate) fn some_imports(dice: &mut crate::program::Dice) -> Vec<Host> {
        let all: Vec<Host> = Host::all().collect();
        let mut imports = FIXED.to_vec();
        while imports.len() < FIXED.len() + 6 {
            let more = dice.of(&all);
            if !imports.contains(&more) {
                imports.push(more);
            }
        }
        imports
    }
}
