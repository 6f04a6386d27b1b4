//! Keys: accounts, and service keys of operators.

use crate::{
    chain::{Chain, api, fetch, id},
    fail::bad_input,
    out::{self, Out},
    tx::{Receipt, Sender, account},
};
use anyhow::{Context, Result, anyhow};
use arena_primitives::{
    AccountId, BlockNumber,
    hash::{Domain, preimage},
    service_key::KEY_TYPE,
};
use codec::Decode;
use serde::Serialize;
use std::str::FromStr;
use subxt::rpcs::RpcClient;
use subxt_signer::{SecretUri, bip39::Mnemonic, sr25519::Keypair};

/// Reads a secret: a phrase, `//Name`, or `0x` and a seed, with derivations.
pub(crate) fn keypair(suri: &str) -> Result<Keypair> {
    // The secret itself stays out of the message.
    let uri = SecretUri::from_str(suri)
        .map_err(|_| bad_input("the secret is no phrase, //Name or 0x seed"))?;
    Keypair::from_uri(&uri).map_err(|_| bad_input("the secret's phrase or seed doesn't hold"))
}

/// A key as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyView {
    address: AccountId,
    public_hex: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    phrase: Option<String>,
}

impl KeyView {
    fn new(pair: &Keypair, phrase: Option<String>) -> Self {
        let public = pair.public_key().0;
        KeyView {
            address: AccountId::from(public),
            public_hex: format!("0x{}", hex::encode(public)),
            phrase,
        }
    }

    fn human(&self) -> String {
        let mut rows = vec![
            ("address", self.address.to_string()),
            ("public key", self.public_hex.clone()),
        ];
        rows.extend(
            self.phrase
                .clone()
                .map(|phrase| ("phrase (keep it secret)", phrase)),
        );
        out::pairs(rows)
    }
}

/// Makes a key.
pub(crate) fn generate(out: Out) -> Result<()> {
    let mut entropy = [0u8; 16];
    random(&mut entropy)?;
    let phrase = Mnemonic::from_entropy(&entropy)
        .map_err(|why| anyhow!("can't make a phrase: {why}"))?
        .to_string();
    let pair = keypair(&phrase)?;
    out.show(&KeyView::new(&pair, Some(phrase)), KeyView::human)
}

/// Shows the public half of a secret.
pub(crate) fn inspect(out: Out, suri: &str) -> Result<()> {
    out.show(&KeyView::new(&keypair(suri)?, None), KeyView::human)
}

/// Fills bytes from the system's source of randomness.
pub(crate) fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|why| anyhow!("the system gives no random bytes: {why}"))
}

/// What `service-key set` did.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Registered {
    operator: AccountId,
    key: AccountId,
    inserted: Vec<String>,
    #[serde(flatten)]
    receipt: Receipt,
}

/// Registers a service key, after putting it into the nodes' keystores.
pub(crate) async fn set(
    out: Out,
    sender: &Sender<'_>,
    key_suri: &str,
    insert: &[String],
) -> Result<()> {
    let key = keypair(key_suri)?;
    // First, so that no registered key lies nowhere.
    for url in insert {
        insert_key(url, key_suri, &key).await?;
    }
    let operator = sender.account();
    let proof = key.sign(&preimage(Domain::ServiceKeyProof, &operator));
    let call = api::transactions()
        .arena_staking()
        .set_service_key(id(&account(&key)), proof.0);
    let included = sender.send(&call).await?;
    let view = Registered {
        operator,
        key: account(&key),
        inserted: insert.to_vec(),
        receipt: included.receipt,
    };
    out.show(&view, |view| {
        format!(
            "✓ {} is the service key of {}, from block {} on",
            view.key,
            view.operator,
            view.receipt.block.saturating_add(1)
        )
    })
}

/// A node of one's own, by the address of its RPC.
pub(crate) async fn own_node(url: &str) -> Result<RpcClient> {
    // A node serves both on one port.
    let socket = url.replacen("http", "ws", usize::from(url.starts_with("http")));
    RpcClient::from_insecure_url(&socket)
        .await
        .with_context(|| format!("can't reach the node at {url}"))
}

async fn insert_key(url: &str, suri: &str, key: &Keypair) -> Result<()> {
    let client = own_node(url).await?;
    let key_type = String::from_utf8_lossy(&KEY_TYPE.0).into_owned();
    crate::chain::Legacy::new(client)
        .author_insert_key(key_type, suri.to_string(), key.public_key().0.to_vec())
        .await
        .with_context(|| {
            format!(
                "the node at {url} takes no key; allow it with --rpc-methods unsafe on loopback"
            )
        })
}

/// The service key of an operator.
#[derive(Serialize)]
struct KeyOf {
    operator: AccountId,
    key: Option<AccountId>,
}

/// Shows an operator's service key.
pub(crate) async fn show(out: Out, chain: &Chain, operator: AccountId) -> Result<()> {
    let at = chain.best().await?;
    let key = service_key(&at, &operator).await?;
    out.show(&KeyOf { operator, key }, |view| match &view.key {
        Some(key) => format!("{key}"),
        None => format!(
            "{} has no service key; `arena service-key set` registers one",
            view.operator
        ),
    })
}

/// The service key of an operator, as staking keeps it.
#[derive(Decode)]
struct KeyRecord {
    key: AccountId,
    _from: BlockNumber,
    _previous: Option<AccountId>,
}

/// The service key of an operator: the one that acts in the next block.
pub(crate) async fn service_key(
    at: &crate::chain::At,
    operator: &AccountId,
) -> Result<Option<AccountId>> {
    let address = api::storage().arena_staking().service_key();
    let record: Option<KeyRecord> = fetch(at, address, (id(operator),)).await?;
    Ok(record.map(|record| record.key))
}
