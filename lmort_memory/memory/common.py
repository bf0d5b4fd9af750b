"""Common stems, by how much sharing one says; made by `benchmarks.kit.common_words`.

Natural logarithm of 2 / (share of the calibration kit's texts + 0.001), in steps of a half.
"""

from typing import Final

COMMON: Final[dict[float, str]] = {
    1.0: ("the "),
    1.5: ("a and of to "),
    2.0: ("for i in is it that you "),
    2.5: ("are as be have on s this we what with "),
    3.0: (
        "about all an at but by can did do from how if my not or so there up was which will your "
    ),
    3.5: (
        "after had he his like me more one other our out some t then they think when where who "
        "would "
    ),
    4.0: (
        "again also any been being come contr could don first get go good great has her him home "
        "inclu infor inter into just know make many may morni most mr much new no now offic only "
        "order peopl pleas see she shoul sir speci such than their them these thing time two uh "
        "use very want well were why work "
    ),
    4.5: (
        "am appro avail back becau befor betwe busin calle chang compa compl conte creat d data "
        "day desig devel diffe dinne direc discu does done down each every examp feel find follo "
        "found funct gener give going gover happe help here howev impor its king langu learn "
        "littl ll long look lord m made man might model must need often old over paper parti "
        "prese proce produ proje provi publi quest re relat remot requi right same say servi set "
        "somet state suppo sympt syste take those thoug throu trans treat type um under upon us "
        "used using ve w way while wife yeah "
    ),
    5.0: (
        "1 2 able acces accou actua addit affec agenc allow alway among anoth answe anyth appli "
        "aroun ask away bar based batte belie best bette both build butto call came case cause "
        "certa check child class close coach code coffe comes comma commi commo commu compo conce "
        "condi confi consi const conta conve corre count curre defin depen descr dined disco "
        "docum doing duke durin early effec end enoug even exist expec exper extra fathe featu "
        "few file forma frien full given got group havin house human incre insta inste issue keep "
        "kind large last let level list manag marke mean meeti metho mind money mothe multi mysel "
        "name natur never night noon numbe off oh ok okay once open own part perfo perso place "
        "point possi princ probl progr propo put read ready reall recei reque resea respo resul "
        "retur run said saw secon seen serve sever shall share short show simpl since small soon "
        "sourc stand start still struc summa sure syndr table task team techn tell text thank "
        "thenc three till too took train user value water went wheth white withi witho worki "
        "world years yes yet young "
    ),
    5.5: (
        "3 acros actio activ add advan agree almos alone along alrea altho ameri analy app appea "
        "argum atten autho autom basic becom bed begin behav below betim bit black body boy bring "
        "broth broug busy cance canno capta chall chara churc clear clock colle comin consu conti "
        "cours coven cross custo datas daugh dear decid decis defau desir detai deter didn diffi "
        "digit disea displ drink e easy eithe else emplo engag engli ensur enter envir error "
        "evalu event ever execu expla expre exten famil far feder field files fine five focus "
        "form four g genet getti githu gone gonna gov gsa hand hands hard head healt hear heard "
        "heart hi high histo hope idea ident imple impro indiv inher input inten intro inves "
        "invol isn key known lady late latte lay left less lette life light limit line live local "
        "looki looks lot machi maint major makes makin match matte maybe means medic meet membe "
        "men met milk minut miss month mrs neces needs next non note nothi o objec obser occur "
        "offer optio organ outpu packa page partn path penn perce perha perio polic poor posit "
        "power pract prett previ prima proba promi prope prote purpo pytho quali quick quite "
        "rathe reach react reaso recen recog recor refer regul remai remov repor repre resou "
        "revie room runni sat scree searc secur send sent setti side signs simil singl siste "
        "socia son sort speak speec st step study succe sugge super taken takin talk talki targe "
        "tasks terms test times today toget told tom tool tools top towar troub true try tts "
        "types typic until updat users uses usual varia vario versi walke wante westm whole whom "
        "willi woman won word words works write year york yours "
    ),
    6.0: (
        "0 000 10 18f 4 5 6 abili above abroa accep accor achie act added addre admin afrai age "
        "alter amoun anima annot api apply area array artic asked assig assis assoc assum attac "
        "attem audie avoid aware b bad beaut began benef big block blood board book branc break "
        "broke brows built buy c cappu care carri carry cases cell cells cente centr centu chair "
        "chamb chanc chann chapt charg choos clean click clini cloth cold colla color colou colum "
        "combi comme compe compi compr compu condu confe conne conse copy corpo corpu corta cost "
        "coupl court cousi cover creed criti cultu datab date days deal death deep defic deliv "
        "deman depar detec devic diagn dicti disor dista disti distr diver docto doesn domai door "
        "doubl doubt drive due earli earth easie eat econo educa effor eight elect eleme email "
        "embed enabl energ entir espec estab etc europ eveni evide exact exami excep excha expen "
        "explo exter eyes f face fact facto fair fear feedb feeli fello figur final finan findi "
        "finis fire fit flag food force forme frame free frequ furth futur gave gentl girl git "
        "glad goal god goes green growt guess guide half hall handl happy hath haven herse highe "
        "highl himse hold horse hour hours husba hyper ideas ill image imagi immed impac impos "
        "indee indus infec initi insti instr integ invit itsel j james jo john journ json kept "
        "knew knowl label later law lead leade least leave libra likel liste liter locat longe "
        "looke lost love low lower main manua maste mater meant measu media medli menti menu "
        "messa micro middl milli minne missi mm mobil mocha moder modif modul momen move n named "
        "names natio navig near neede netwo neura news nice nor norma north notic onlin ontol "
        "opera opini oppor origi outsi p pages paid pain paren parli parts pass passe past patie "
        "patte pay per pheno physi pictu piece pip plan platf play polit popul post postg poten "
        "predi prefe prepa press preve price prior priva profe profi proto queen query raise real "
        "reali recom red reduc refle regar regio relea relev remem rende repos resol respe rest "
        "risk role rose round satis sayin says schoo scien scrip sea secre secti seein seem seeme "
        "seems selec self seman sense sente separ sessi settl seven ship shown signi site six "
        "size sleep slide socie softw solut someo sorry sound south space spend spent spoke sprea "
        "stage stati stay staye steps stop store story stran strat stree strin stron stude studi "
        "stuff style subje submi subst sun suppl surge surpr synta takes tangi teams tells templ "
        "term termi testi tests th thems third threa thus tissu touch town track trade tradi "
        "trave treas tree tried tryin tumor turn turne twent u uncle unite unive unles usefu "
        "utili varie via video view virtu visit visua voice wait war watch ways web websi week "
        "whate windo wish women wonde worke worth writi writt wrote x yeste "
    ),
}
