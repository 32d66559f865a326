"""Velocity's templates: by hand from its user guide, and whatever text comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.velocity import BadEvaluation, BadTemplate, Methods, render, template


def made(text, **names):
    return render(template(text), names)


class Point(Methods):
    properties = {"x": 3}
    methods = {"twice": lambda: 6}


@pytest.mark.parametrize(
    ("text", "names", "wanted"),
    [
        ("$a $!a ${a} $!{a}.", {"a": 1}, "1 1 1 1."),
        ("$none $!none ${none.x} $!{none.x}.", {}, "$none  ${none.x} ."),
        (r"\$a \# 5$ #x $5 a@b.c #1", {"a": 1}, "$a # 5$ #x $5 a@b.c #1"),
        ("$a.b.c $a['b'].c $a.b['c'] $a.get('b').c", {"a": {"b": {"c": "v"}}}, "v v v v"),
        ("#if($a == 1)one#elseif($a == 2)two#{else}more#end", {"a": 2}, "two"),
        ("#if(!$none && ($a > 1 || false))yes#end", {"a": 2}, "yes"),
        ("#if($a)there#end#if($b)no#end#if('')empty text is true#end", {"a": 0}, "thereempty text is true"),
        ("#foreach($i in [1..3])$i#if($foreach.hasNext), #end#end", {}, "1, 2, 3"),
        ("#foreach($i in $l)#if($i == 2)#break#end$foreach.index:$i #end", {"l": [1, 2, 3]}, "0:1 "),
        ("#foreach($k in $m.keySet())$k=$m.get($k);#end", {"m": {"a": 1, "b": None}}, "a=1;b=;"),
        ("#foreach($e in $m.entrySet())$e.key$e.value#end", {"m": {"a": 1}}, "a1"),
        ("#set($x = 7)#set($y = $x * 2 + 1)$y $x / 2 #set($z = $x / 2)$z", {}, "15 7 / 2 3"),
        ("#set($m = {})#set($m.a = [1])$!m.a.add(2)#set($m['b'] = 'c')$m", {}, "true{a=[1,2], b=c}"),
        ("""#set($s = "a ${b}c #if(true)d#end")$s#set($t = 'a $b')$t""", {"b": "B"}, "a Bc da $b"),
        ("$s.length() $s.substring(1) $s.substring(0,2) $s.replaceAll('[ab]', 'x') $s.split(',').size()",
         {"s": "ab,c"}, "4 b,c ab xx,c 2"),
        ("$s.toUpperCase().contains('A') $s.equals('a') $s.indexOf('z') $s.isEmpty()", {"s": "a"}, "true true -1 false"),
        ("#macro(hi $n)<$n>#end#hi('a')#hi(2)", {}, "<a><2>"),
        ("a## comment\nb#* more\n *#c#[[ $raw #if ]]#", {}, "abc $raw #if "),
        ("#set($a = 1)\n#if(true)\nx\n#end\ny", {}, "x\ny"),
        ("$p.x $p.twice() $p.methods $p.__class__ $s.__class__", {"p": Point(), "s": "t"},
         "3 6 $p.methods $p.__class__ $s.__class__"),
        ("$l $m $b $f $n", {"l": ["a", {"k": 1}], "m": {"a": {"b": 1}}, "b": True, "f": 1.5, "n": "é"},
         '["a",{"k":1}] {a={b=1}} true 1.5 é'),
        ("1#stop 2", {}, "1"),
        ("#set($x = -7 % 3)$x #set($y = {[1]: 2})$y['[1]'] #set($y[[1]] = 3)$y $!y[{}]", {}, "-1 2 {[1]=3} "),
    ],
)  # fmt: skip
def test_templates_make_what_the_guide_says(text, names, wanted):
    assert made(text, **names) == wanted


@pytest.mark.parametrize(
    "text", ["#if($a)", "#end", "#set($a)", "#foreach($a)x#end", "#if(", "#set($a = 'b)", "#set($a = [1)", "${a", "#*"]
)
def test_what_is_no_template_is_refused(text):
    with pytest.raises(BadTemplate, match="on line 1"):
        template(text)


@pytest.mark.parametrize(
    "text",
    [
        "#set($a = 'xxxxxxxxxxxxxxxx')#foreach($i in [1..100])#set($a = $a + $a)#end",
        "#foreach($i in [1..1000])#foreach($j in [1..1000])#foreach($k in [1..9])$k#end#end#end",
        "#macro(m)#m()#end#m()",
        "#set($a = [1..100000000])",
        "#set($n = 2)#foreach($i in [1..100])#set($n = $n * $n)#end",
        "$s.substring('a')",
        "$s.replaceAll('(', '')",
        "#set($l = ['x'])#foreach($i in [1..60])#set($l = [$l, $l])#end$l",
        "#set($l = ['x'])#foreach($i in [1..60])#set($l = [$l, $l])#end#if($l == 'x')#end",
        "#set($m = {})$m.put('own', $m)$m",
        "#set($l = [1])#foreach($i in [1..60])$l.addAll($l)#end",
        "#set($a = 'xxxxxxxxxxxxxxxx')#foreach($i in [1..19])#set($a = $a + $a)#end"
        '#set($l = [])#foreach($i in [1..900])$!l.add("$a$i")#end',
        "#set($a = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')$a.matches('(a|aa)+b')",
        "$huge.equals(1)#set($x = $huge * 1.5)",
        "$huge",
        "#foreach($i in [1..$endless])#end",
    ],
)
def test_what_takes_too_much_or_makes_no_sense_ends(text):
    with pytest.raises(BadEvaluation):
        made(text, s="text", huge=9 << 20_000, endless=float("inf"))


def test_brackets_that_are_text_do_not_count_as_depth():
    assert made("$a[x " * 200, a="1") == "1[x " * 200


def test_replacements_and_splits_are_javas():
    assert made("$s.replaceAll('(a)(b)?', '<$1$2\\$>') $s.replaceFirst('b', '$0$0')", s="abac") == "<ab$><a$>c abbac"
    assert made("$s.split(',') $s.split(',', 2) $t.split('')", s="a,b,,", t="ab") == '["a","b"] ["a","b,,"] ["a","b"]'


def test_deep_templates_are_refused_and_not_followed():
    with pytest.raises(BadTemplate):
        template("#if(" + "!" * 20_000 + "true)#end")
    with pytest.raises(BadTemplate):
        template("#set($x = " + "9" * 6_000 + ")")
    with pytest.raises(BadTemplate):
        template("#if(true)" * 100 + "#end" * 100)
    with pytest.raises(BadTemplate):
        template("#set($a = " + "(" * 500 + "1" + ")" * 500 + ")")


@given(st.text(alphabet="#$!{}()[]'\". \nabifsetforeachndl=12,:&|<>\\*", max_size=60))
def test_any_text_is_a_template_or_is_refused(text):
    try:
        render(template(text), {"a": {"b": [1, "x"]}, "b": "text"})
    except (BadTemplate, BadEvaluation):
        pass


@given(st.text(alphabet=st.characters(exclude_characters="#$\\"), max_size=100))
def test_plain_text_stays_as_it_is(text):
    assert made(text) == text
