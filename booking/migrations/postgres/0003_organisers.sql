-- As in SQLite: organisers' own names for what they put up, and a change feed that begins with everything there is and
-- keeps the last change of each event.

alter table venue add column import_key text;
alter table event add column import_key text;
create unique index venue_import_key on venue (organiser, import_key);
create unique index event_import_key on event (organiser, import_key);

insert into catalogue_change (version, event_id) select id, id from event;
update meta set catalogue_version =
    greatest(catalogue_version, (select coalesce(max(version), 0) from catalogue_change));
create unique index catalogue_change_event on catalogue_change (event_id);
