//! What the wrapped types look like, for the document that describes the contract.

use casper_types::{Deploy, execution::ExecutionResultV1};
use schemars::{JsonSchema, r#gen::SchemaGenerator, schema::Schema};

use super::{
    Account15, Deploy15, ExecutionResult15, StoredValue15,
    stored_value::{WireAccount, WireStoredValue},
};

/// Describes a wrapper as the type that its JSON is that of.
macro_rules! schema_of {
    ($wrapper:ty as $name:literal from $shape:ty) => {
        impl JsonSchema for $wrapper {
            fn schema_name() -> String {
                $name.to_owned()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                <$shape>::json_schema(generator)
            }
        }
    };
}

schema_of!(Deploy15 as "Deploy" from Deploy);
schema_of!(ExecutionResult15 as "ExecutionResult" from ExecutionResultV1);
schema_of!(StoredValue15 as "StoredValue" from WireStoredValue);
schema_of!(Account15 as "Account" from WireAccount);
