//! Three statements written by hand, because diesel would prepare them anew at every run, which on the issuing path
//! costs more than running them. Neither takes text from outside: names are literals of this crate, values are bound.

use diesel::{
    QueryResult, RunQueryDsl,
    backend::Backend,
    query_builder::{AstPass, QueryFragment, QueryId},
    serialize::ToSql,
    sql_types::{BigInt, Binary, HasSqlType, Nullable, SmallInt, Text},
};

/// A statement without parameters, kept prepared.
pub(crate) struct Fixed(pub(crate) &'static str);

/// Gives the status of this serial number the epoch of the transaction.
pub(crate) struct Stamp<'a>(pub(crate) &'a [u8]);

/// `UPDATE table SET … WHERE key AND from`: changes the row only if every column of the state is what was read.
/// (diesel never keeps an UPDATE, because its changesets may leave columns out.)
pub(crate) struct Shift {
    table: &'static str,
    key: Column,
    from: Vec<Column>,
    changes: Vec<Column>,
}

/// A column's name and value.
pub(crate) type Column = (&'static str, Value);

/// What can stand in a column of a state.
#[derive(PartialEq)]
pub(crate) enum Value {
    Text(Option<String>),
    Octets(Option<Vec<u8>>),
    Flag(Option<i16>),
    Integer(Option<i64>),
}

impl Shift {
    pub(crate) fn new(table: &'static str, key: Column, from: Vec<Column>, to: Vec<Column>) -> Self {
        // A column that is set has its indexes written anew, even when it is set to what it was.
        let differs = |column: &Column| !from.contains(column);
        let changes = if to.iter().any(differs) { to.into_iter().filter(differs).collect() } else { to };
        Self { table, key, from, changes }
    }
}

impl<B: Backend> QueryFragment<B> for Fixed {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, B>) -> QueryResult<()> {
        pass.push_sql(self.0);
        Ok(())
    }
}

impl<B> QueryFragment<B> for Stamp<'_>
where
    B: Backend + HasSqlType<Binary>,
    for<'a> &'a [u8]: ToSql<Binary, B>,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, B>) -> QueryResult<()> {
        pass.push_sql("UPDATE status SET epoch = (SELECT epoch FROM status_epoch) WHERE serial = ");
        pass.push_bind_param::<Binary, _>(&self.0)
    }
}

impl<B> QueryFragment<B> for Shift
where
    B: Backend + HasSqlType<SmallInt> + HasSqlType<BigInt> + HasSqlType<Text> + HasSqlType<Binary>,
    Option<String>: ToSql<Nullable<Text>, B>,
    Option<Vec<u8>>: ToSql<Nullable<Binary>, B>,
    Option<i16>: ToSql<Nullable<SmallInt>, B>,
    Option<i64>: ToSql<Nullable<BigInt>, B>,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, B>) -> QueryResult<()> {
        pass.push_sql("UPDATE ");
        pass.push_sql(self.table);
        let mut join = " SET ";
        for (name, value) in &self.changes {
            pass.push_sql(join);
            pass.push_sql(name);
            pass.push_sql(" = ");
            bind(&mut pass, value)?;
            join = ", ";
        }
        pass.push_sql(" WHERE ");
        pass.push_sql(self.key.0);
        pass.push_sql(" = ");
        bind(&mut pass, &self.key.1)?;
        for (name, value) in &self.from {
            pass.push_sql(" AND ");
            pass.push_sql(name);
            // NULL is compared too: the state has nothing there.
            pass.push_sql(" IS NOT DISTINCT FROM ");
            bind(&mut pass, value)?;
        }
        Ok(())
    }
}

fn bind<'b, B>(pass: &mut AstPass<'_, 'b, B>, value: &'b Value) -> QueryResult<()>
where
    B: Backend + HasSqlType<SmallInt> + HasSqlType<BigInt> + HasSqlType<Text> + HasSqlType<Binary>,
    Option<String>: ToSql<Nullable<Text>, B>,
    Option<Vec<u8>>: ToSql<Nullable<Binary>, B>,
    Option<i16>: ToSql<Nullable<SmallInt>, B>,
    Option<i64>: ToSql<Nullable<BigInt>, B>,
{
    match value {
        Value::Text(value) => pass.push_bind_param::<Nullable<Text>, _>(value),
        Value::Octets(value) => pass.push_bind_param::<Nullable<Binary>, _>(value),
        Value::Flag(value) => pass.push_bind_param::<Nullable<SmallInt>, _>(value),
        Value::Integer(value) => pass.push_bind_param::<Nullable<BigInt>, _>(value),
    }
}

/// Found again by its text: there are as many as there are states' tables.
macro_rules! kept_by_text {
    ($statement:ty) => {
        impl QueryId for $statement {
            type QueryId = ();

            const HAS_STATIC_QUERY_ID: bool = false;
        }

        impl<C> RunQueryDsl<C> for $statement {}
    };
}

kept_by_text!(Fixed);
kept_by_text!(Shift);
kept_by_text!(Stamp<'_>);
