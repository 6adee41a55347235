# needs: sqlite3
# sqlite3: schema, transactions, journals, indexes, JSON, dumps, two writers at once.
sqlite3 x.db <<'END'
create table p(id integer primary key, name text, score real); create index i on p(name);
with recursive c(n) as (select 1 union all select n + 1 from c where n < 5000) insert into p(name, score) select 'n' || (n * 7919 % 5000), n / 3.0 from c;
select count(*), round(sum(score), 2), min(name), max(name) from p; explain query plan select * from p where name = 'n1';
begin; update p set score = 0; rollback; select count(*) from p where score = 0; begin; delete from p where id % 2; commit; select count(*) from p;
select json_extract('{"a":[1,2,3]}', '$.a[1]'), upper('x'), date('2024-01-31', '+1 month'), printf('%08.3f', 3.14159); .mode csv
select * from p limit 3; pragma integrity_check; vacuum; pragma page_count;
END
sqlite3 x.db 'pragma journal_mode=wal; insert into p(name) values("wal"); select count(*) from p;'; ls x.db*; sqlite3 x.db .dump | md5sum; sqlite3 x.db .schema; sqlite3 x.db 'select * from nothing'; echo $?; sqlite3 y.db 'create table c(n); insert into c values(0)'; for i in 1 2 3; do (for j in $(seq 10); do sqlite3 -cmd '.timeout 20000' y.db 'begin immediate; update c set n = n + 1; commit;'; done) & done; wait; sqlite3 y.db 'select n from c'; sqlite3 x.db '.backup b.db'; sqlite3 b.db 'select count(*) from p'; head -c 16 b.db | tr '\0' '\n'; echo 'junkjunkjunkjunkjunk' > j.db; sqlite3 j.db .tables; echo $?
