//! The tables, for diesel's query builder. The migrations are their source; every one is written and read by a test.

mod money;

pub(crate) use self::money::{
    adjustment, bank_line, charge, charge_line, chargeback, fee_order, invoice, invoice_file, ledger_account,
    online_payment, pay_out, payment, posting, shift,
};

diesel::table! {
    unit (id) {
        id -> Text,
        code -> Text,
        labour_no -> Text,
        name -> Text,
        province -> Text,
        city -> Text,
        registered_by -> Text,
        registered_at -> BigInt,
        agency -> Nullable<Text>,
        region -> Nullable<Text>,
        name_flag -> Nullable<Text>,
        ended_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    agent (id) {
        id -> Text,
        qualified_at -> Nullable<BigInt>,
        name_sealed -> Nullable<Binary>,
        name_index -> Nullable<Binary>,
        id_card_sealed -> Nullable<Binary>,
        id_card_index -> Nullable<Binary>,
        erased_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    agent_clear (agent) {
        agent -> Text,
        name -> Text,
        id_card -> Text,
    }
}

diesel::table! {
    agent_card (id) {
        id -> Text,
        agent -> Text,
        number_sealed -> Nullable<Binary>,
        number_index -> Nullable<Binary>,
        valid_from -> BigInt,
        registered_by -> Text,
        reason -> Text,
        ended_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    personal_opening (id) {
        id -> Text,
        agent -> Text,
        field -> Text,
        commitment -> Binary,
        opening_sealed -> Binary,
        at -> BigInt,
    }
}

diesel::table! {
    agent_unit (agent, unit) {
        agent -> Text,
        unit -> Text,
        confirmed_at -> BigInt,
        confirmed_by -> Text,
        ended_at -> Nullable<BigInt>,
        ended_by -> Nullable<Text>,
    }
}

diesel::table! {
    staff (id) {
        id -> Text,
        name -> Text,
        roles -> Text,
        certificate -> Text,
    }
}

diesel::table! {
    application (id) {
        id -> Text,
        unit -> Text,
        agent -> Text,
        profile -> Text,
        years -> Integer,
        entered_by -> Text,
        entered_at -> BigInt,
        state -> Text,
        decided_by -> Nullable<Text>,
        reasons -> Nullable<Text>,
        payment -> Nullable<Text>,
        attempt -> Nullable<Text>,
        serial -> Nullable<Binary>,
        unit_name -> Text,
        unit_code -> Text,
        kind -> Text,
        certificate -> Nullable<Binary>,
        cause -> Nullable<Text>,
        cps -> Text,
        counter -> Nullable<Text>,
        contact_sealed -> Nullable<Binary>,
        entered_before -> Text,
    }
}

diesel::table! {
    application_document (application, position) {
        application -> Text,
        position -> Integer,
        kind -> Text,
        sha256 -> Binary,
        seen_by -> Text,
        form -> Text,
        seen_at -> BigInt,
    }
}

diesel::table! {
    attempt (id) {
        id -> Text,
        application -> Text,
        workstation -> Text,
        clerk -> Text,
        wanted_token -> Nullable<Text>,
        state -> Text,
        token -> Nullable<Text>,
        serial -> Nullable<Binary>,
        reason -> Nullable<Text>,
        created_at -> BigInt,
        lease_until -> BigInt,
        note -> Text,
        held_application -> Nullable<Text>,
        held_workstation -> Nullable<Text>,
        first_pin -> Nullable<Text>,
    }
}

diesel::table! {
    public_key (spki_sha256) {
        spki_sha256 -> Binary,
        unit -> Nullable<Text>,
        token -> Nullable<Text>,
        attempt -> Nullable<Text>,
        bound_at -> BigInt,
    }
}

diesel::table! {
    intent (serial) {
        serial -> Binary,
        issuer -> Text,
        profile -> Text,
        profile_sha256 -> Binary,
        tbs -> Binary,
        spki_sha256 -> Binary,
        unit -> Nullable<Text>,
        application -> Nullable<Text>,
        attempt -> Nullable<Text>,
        token -> Nullable<Text>,
        not_before -> BigInt,
        not_after -> BigInt,
        shard -> Integer,
        actor -> Text,
        at -> BigInt,
    }
}

diesel::table! {
    open_intent (serial) {
        serial -> Binary,
    }
}

diesel::table! {
    certificate (serial) {
        serial -> Binary,
        der -> Binary,
        sha256 -> Binary,
        issuer -> Text,
        profile -> Text,
        unit -> Nullable<Text>,
        application -> Nullable<Text>,
        not_before -> BigInt,
        not_after -> BigInt,
        shard -> Integer,
        issued_at -> BigInt,
    }
}

diesel::table! {
    status (serial) {
        serial -> Binary,
        issuer -> Text,
        shard -> Integer,
        state -> Text,
        activated -> Nullable<SmallInt>,
        reason -> Nullable<Text>,
        revoked_at -> Nullable<BigInt>,
        not_after -> BigInt,
        changed_at -> BigInt,
        epoch -> BigInt,
        invalid_since -> Nullable<BigInt>,
    }
}

diesel::table! {
    status_epoch (id) {
        id -> Integer,
        epoch -> BigInt,
    }
}

diesel::table! {
    crl_number (issuer, shard) {
        issuer -> Text,
        shard -> Integer,
        number -> BigInt,
    }
}

diesel::table! {
    crl (issuer, shard, number) {
        issuer -> Text,
        shard -> Integer,
        number -> BigInt,
        this_update -> BigInt,
        next_update -> BigInt,
        epoch -> BigInt,
        der -> Binary,
    }
}

diesel::table! {
    lease (name) {
        name -> Text,
        holder -> Text,
        fence -> BigInt,
        until -> BigInt,
    }
}

diesel::table! {
    audit (id) {
        id -> BigInt,
        at -> BigInt,
        actor -> Text,
        action -> Text,
        object -> Text,
        object_id -> Text,
        rule -> Nullable<Text>,
        detail -> Text,
    }
}

diesel::table! {
    idempotency (actor, request_key) {
        actor -> Text,
        request_key -> Text,
        request_sha256 -> Binary,
        resource -> Text,
        at -> BigInt,
    }
}

diesel::table! {
    notice (id) {
        id -> Text,
        recipient -> Text,
        template -> Text,
        application -> Nullable<Text>,
        created_at -> BigInt,
        routed_at -> Nullable<BigInt>,
        training -> Nullable<Text>,
        certificate -> Nullable<Binary>,
        step -> Nullable<Integer>,
        invoice -> Nullable<Text>,
        hold -> Nullable<Text>,
        unit_event -> Nullable<Text>,
    }
}

diesel::table! {
    hold (id) {
        id -> Text,
        certificate -> Binary,
        reason -> Text,
        placed_by -> Text,
        placed_at -> BigInt,
        caller_sealed -> Nullable<Binary>,
        due_end -> Nullable<Text>,
        due_at -> Nullable<BigInt>,
        told_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        ended_by -> Nullable<Text>,
        ended_how -> Nullable<Text>,
    }
}

diesel::table! {
    notice_delivery (notice, channel) {
        notice -> Text,
        channel -> Text,
        state -> Text,
        attempts -> BigInt,
        next_at -> Nullable<BigInt>,
        sent_at -> Nullable<BigInt>,
        error -> Nullable<Text>,
    }
}

diesel::table! {
    unit_contact (unit) {
        unit -> Text,
        mail_sealed -> Nullable<Binary>,
        phone_sealed -> Nullable<Binary>,
        changed_at -> BigInt,
        changed_by -> Text,
    }
}

diesel::table! {
    training_session (id) {
        id -> Text,
        starts_at -> BigInt,
        place -> Text,
        seats -> Integer,
        planned_by -> Text,
        planned_at -> BigInt,
    }
}

diesel::table! {
    training (id) {
        id -> Text,
        unit -> Text,
        agent -> Text,
        entered_by -> Text,
        entered_at -> BigInt,
        due_at -> BigInt,
        due_estimated -> SmallInt,
        state -> Text,
        decided_by -> Nullable<Text>,
        reasons -> Nullable<Text>,
        session -> Nullable<Text>,
    }
}

diesel::table! {
    unit_document (unit, position) {
        unit -> Text,
        position -> Integer,
        kind -> Text,
        form -> Text,
        sha256 -> Binary,
        seen_by -> Text,
        seen_at -> BigInt,
    }
}

diesel::table! {
    unit_name_part (part, unit) {
        part -> Text,
        unit -> Text,
    }
}

diesel::table! {
    unit_event (id) {
        id -> Text,
        unit -> Text,
        kind -> Text,
        name -> Nullable<Text>,
        code -> Nullable<Text>,
        successor -> Nullable<Text>,
        agent_from -> Nullable<Text>,
        agent_to -> Nullable<Text>,
        before -> Nullable<Text>,
        basis -> Text,
        sha256 -> Binary,
        effective_at -> BigInt,
        recorded_by -> Text,
        recorded_at -> BigInt,
        state -> Text,
    }
}

diesel::table! {
    account (id) {
        id -> Text,
        unit -> Nullable<Text>,
        agent -> Nullable<Text>,
        name -> Nullable<Text>,
        password -> Text,
        initial -> SmallInt,
        failures -> Integer,
        locked_until -> Nullable<BigInt>,
        changed_at -> BigInt,
    }
}

diesel::table! {
    account_session (token_sha256) {
        token_sha256 -> Binary,
        account -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    ca_certificate (name) {
        name -> Text,
        der -> Binary,
        at -> BigInt,
    }
}

diesel::table! {
    setting (name) {
        name -> Text,
        value -> Text,
    }
}

diesel::table! {
    register_import (number) {
        number -> BigInt,
        file_sha256 -> Binary,
        state -> Text,
        staged_lines -> BigInt,
        good -> BigInt,
        bad -> BigInt,
        started_by -> Text,
        started_at -> BigInt,
        ended_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    register_row (import, line) {
        import -> BigInt,
        line -> Integer,
        uscc -> Nullable<Text>,
        org_code -> Nullable<Text>,
        labour_no -> Text,
        name -> Text,
        agency -> Text,
        region -> Nullable<Text>,
    }
}

diesel::table! {
    batch (id) {
        id -> Text,
        file_sha256 -> Binary,
        format -> Text,
        header -> Text,
        state -> Text,
        documents -> Nullable<Text>,
        entered_by -> Text,
        entered_at -> BigInt,
    }
}

diesel::table! {
    batch_line (batch, line) {
        batch -> Text,
        line -> Integer,
        verdict -> Text,
        unit -> Nullable<Text>,
        agent -> Nullable<Text>,
        years -> Nullable<Integer>,
        counter -> Nullable<Text>,
        cells -> Text,
        findings -> Text,
        application -> Nullable<Text>,
    }
}

diesel::table! {
    counter_day (counter, day) {
        counter -> Text,
        day -> Text,
    }
}

diesel::table! {
    appointment (id) {
        id -> Text,
        counter -> Text,
        day -> Text,
        slot -> Text,
        estimated -> SmallInt,
        purpose -> Text,
        unit -> Text,
        application -> Nullable<Text>,
        made_by -> Text,
        made_at -> BigInt,
        state -> Text,
    }
}

diesel::joinable!(open_intent -> intent (serial));
diesel::allow_tables_to_appear_in_same_query!(intent, open_intent);
diesel::allow_tables_to_appear_in_same_query!(unit, unit_name_part, agent_unit);
diesel::allow_tables_to_appear_in_same_query!(account, account_session);
diesel::allow_tables_to_appear_in_same_query!(status, certificate, notice, agent_unit, application);
diesel::allow_tables_to_appear_in_same_query!(status, unit);
diesel::allow_tables_to_appear_in_same_query!(certificate, unit);
diesel::allow_tables_to_appear_in_same_query!(application, unit);
diesel::allow_tables_to_appear_in_same_query!(notice, notice_delivery);
diesel::allow_tables_to_appear_in_same_query!(hold, status);
diesel::allow_tables_to_appear_in_same_query!(invoice, idempotency);
diesel::allow_tables_to_appear_in_same_query!(agent, agent_card);
diesel::allow_tables_to_appear_in_same_query!(agent, agent_unit);
diesel::allow_tables_to_appear_in_same_query!(posting, adjustment, application);
diesel::allow_tables_to_appear_in_same_query!(payment, online_payment);
diesel::allow_tables_to_appear_in_same_query!(chargeback, charge, application);
diesel::joinable!(batch_line -> application (application));
diesel::joinable!(batch_line -> batch (batch));
diesel::allow_tables_to_appear_in_same_query!(batch, batch_line, application, appointment);
diesel::joinable!(register_row -> register_import (import));
diesel::allow_tables_to_appear_in_same_query!(register_import, register_row);

diesel::table! {
    issuing_line (id) {
        id -> Text,
        workstation -> Text,
        clerk -> Text,
        started_at -> BigInt,
        ended_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    line_item (line, position) {
        line -> Text,
        position -> BigInt,
        application -> Text,
        state -> Text,
        token -> Nullable<Text>,
        note -> Text,
    }
}

diesel::table! {
    token_delivery (id) {
        id -> Text,
        sha256 -> Binary,
        imported_by -> Text,
        imported_at -> BigInt,
        tokens -> BigInt,
    }
}

diesel::table! {
    token (serial) {
        serial -> Text,
        model -> Text,
        batch -> Text,
        delivery -> Nullable<Text>,
        place_kind -> Text,
        place -> Text,
        state -> Text,
        attempt -> Nullable<Text>,
        certificate -> Nullable<Binary>,
        moved_at -> BigInt,
    }
}
