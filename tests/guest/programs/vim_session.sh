# needs: vim
# stderr: any
# vim in ex mode edits files.
seq 20 > f; vim -u NONE -es -c '%s/1/one/g' -c 'g/5/d' -c '1,3move $' -c 'normal ggyyp' -c 'wq' f; cat f; printf 'b\na\nc\n' > s; vim -u NONE -es -c 'sort' -c 'let x = range(3)' -c 'call append(0, map(x, "v:val * 2"))' -c 'r !echo from shell' -c 'w! out' -c 'qa!' s; cat out; vim -u NONE -es -c 'redir! > v' -c 'echo strftime("%Y", 0) getcwd() != "" executable("sh")' -c 'redir END' -c 'cquit 3' ; echo $?; cat v; echo; vim -u NONE -es -c 'e! nothere' -c 'call setline(1, ["x", "y"])' -c 'wq'; cat nothere; ls -a; ex -s f <<< $'$d\n1i\nfirst\n.\nx'; head -2 f
