# The commands of coreutils on files, texts and numbers.
printf 'delta\nalpha\ncharlie\nbravo\nalpha\n' > t
sort t; sort -u t; sort -r t | uniq -c | sed 's/^ *//'; uniq -d <(sort t)
head -2 t; tail -2 t; tail -n +4 t; tac t | head -1; rev t | head -1; nl -ba t | head -2; wc t
cut -c1-3 t | paste -sd,; tr a-z A-Z < t | head -1; fold -w3 <<< abcdefgh; expand <<< $'a\tb'; unexpand -a <<< '        x'
join <(printf '1 a\n2 b\n') <(printf '1 x\n2 y\n'); comm -12 <(sort -u t) <(printf 'alpha\nzulu\n'); split -l2 t part.; ls part.*
csplit -s t 3; ls xx*; cat xx01
md5sum t; sha1sum t; sha256sum t; sha512sum t | cut -c1-40; b2sum t | cut -c1-40; cksum t; sum t; base64 t; base32 <<< hello; od -c <<< hi; od -An -tx1 <<< hi
seq -s, 1 2 9; seq -w 8 11 | paste -sd' '; factor 1234567890; expr 6 \* 7; expr length hello; numfmt --to=iec 1048576; printf '%s\n' {1..5} | shuf --random-source=/dev/zero -n 3 | wc -l
mkdir -p a/b/c; rmdir a/b/c; cp t a/t; cp -r a a2; mv a2 a3; ls -R a a3; ln -s t link; ln t hard; readlink link; readlink -f link | sed 's|.*/||'; realpath --relative-to=. a/t
stat -c '%n %s %h %F %a' t link a; ls -l link | cut -d' ' -f1; chmod 640 t; stat -c %A t; chmod u+x,g-r t; stat -c %A t; touch -d '2020-01-02 03:04:05 UTC' t; stat -c %y t; date -u -r t +%s
date -u -d @86400 '+%F %T %A %j'; date -u -d '2024-02-28 + 2 days' +%F
truncate -s 100K big; stat -c '%s %b' big; du -k big; dd if=t of=copy bs=3 count=2 2>&1 | head -2; cmp t copy; echo $?; fallocate -l 8192 fa && stat -c %s fa
basename /a/b.c .c; dirname /a/b.c; pathchk -p ok; mktemp -u XXXXXX | wc -c; tee x1 x2 <<< tee > /dev/null; cat x1 x2
id -u; whoami; groups; tty < /dev/null; nproc > /dev/null; logname 2>&1 | head -c 0; pwd | sed 's|.*-guest-.*|here|'; printenv HOME; uname -sm
test 1 -lt 2 && echo lt; [ -L link ] && echo L; [ -p /dev/null ] || echo no; true; false; echo $?; yes no | head -1; sleep 0.01; nice -n 5 nice; env -u HOME printenv HOME; echo $?
ls -d */; ls -a | head -4; ls -1 --group-directories-first | head -3; ls nothere; echo $?; cat nothere; rm nothere; cp nothere x; mkdir a; rmdir a; mv t a/; ls a; rm -r a a3; ls | wc -l
install -m 755 -D hard i/j/k; stat -c %a i/j/k; shred -n1 -u x1; ls x1 2>&1; sync; tsort <<< 'a b b c' | paste -sd' '; ptx -f <<< 'a b' | head -1; pr -t -2 <<< $'a\nb' | head -1; stdbuf -oL echo buffered
echo -e 'a\0b' | tr '\0' '\n'; echo $'\x41'; timeout 5 true; echo $?; runcon 2> /dev/null; echo; dircolors -b | head -c 9; echo; df / > /dev/null && echo df; who > /dev/null; uptime > /dev/null; echo $?; hostid > /dev/null; arch; link hard h2; unlink h2; ls -i hard | wc -w; chown 12:34 hard; stat -c '%u:%g' hard; chgrp 5 hard; stat -c %g hard; mknod pipe p; stat -c %F pipe; mkfifo -m 600 ff; stat -c %a ff
